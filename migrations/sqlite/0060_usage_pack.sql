-- Usage that came over HTTP waits as it goes on: what one commit has taken in is one row, its records as lines of a usage file
-- and their keys beside them. A row per event cost more than all the rest of taking it in, once to write and once to delete.
--
-- `keys` holds 40 bytes per record, in the order of the lines: the hash of (source, id), that of its content, and what the key
-- index will hold of the event that it corrects, or zeros.
create table usage_pack (
    ordinal integer not null primary key autoincrement,
    events integer not null,
    keys blob not null,
    lines text not null,
    received_at text not null
) strict;

insert into usage_pack (events, keys, lines, received_at)
select 1,
       unhex(hex(key) || printf('%016X', content) || coalesce(nullif(hex(mark), ''), '00000000000000000000000000000000')),
       json_patch(
           json_object(
               'source', source, 'id', event, 'subject', subject, 'meter', meter, 'quantity', quantity,
               'time', strftime('%Y-%m-%dT%H:%M:%S', time_us / 1000000, 'unixepoch')
                       || printf('.%06dZ', time_us % 1000000)),
           json_object(
               'properties', case properties when '' then null else json(properties) end,
               'corrects', nullif(corrects, ''))) || char(10),
       received_at
from usage_waiting
order by ordinal;

drop table usage_waiting;
