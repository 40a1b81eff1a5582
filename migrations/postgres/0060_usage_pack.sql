-- Usage that came over HTTP waits as it goes on: what one commit has taken in is one row, its records as lines of a usage file
-- and their keys beside them. A row per event cost more than all the rest of taking it in, once to write and once to delete.
--
-- `keys` holds 40 bytes per record, in the order of the lines: the hash of (source, id), that of its content, and what the key
-- index will hold of the event that it corrects, or zeros.
create table usage_pack (
    ordinal bigint generated always as identity primary key,
    events bigint not null,
    keys bytea not null,
    lines text collate "C" not null,
    received_at timestamptz not null
);
-- They stay for a minute: to compress them would cost more than it saves.
alter table usage_pack alter column keys set storage external, alter column lines set storage external;

insert into usage_pack (events, keys, lines, received_at)
select 1,
       uuid_send(key) || int8send(content) || coalesce(uuid_send(mark), decode(repeat('00', 16), 'hex')),
       json_strip_nulls(json_build_object(
           'source', source, 'id', event, 'subject', subject, 'meter', meter, 'quantity', quantity::text,
           'time', to_char(timestamp 'epoch' + time_us * interval '1 microsecond', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
           'properties', case properties when '' then null else properties::json end,
           'corrects', nullif(corrects, '')))::text || chr(10),
       received_at
from usage_waiting
order by ordinal;

drop table usage_waiting;
