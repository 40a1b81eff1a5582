-- Usage that came over HTTP and is in no segment yet: a segment per request would drown the store. It is accepted,
-- durable and held against all that was accepted before; opening a run moves it into segments first, and so does an
-- import of a file and, within a minute, whoever works the home. The move deletes the rows in the commit that names the
-- segments.
--
-- Key that makes a repeat quiet: the hash of (source, id), as in the key index; a correction is there once as well.
create table usage_waiting (
    ordinal integer not null primary key autoincrement,
    key blob not null constraint usage_waiting_key_unique unique,
    content integer not null,
    mark blob constraint usage_waiting_mark_unique unique,
    source text not null,
    event text not null,
    subject text not null,
    meter text not null,
    quantity text not null,
    time_us integer not null,
    properties text not null,
    corrects text not null,
    received_at text not null
) strict;
