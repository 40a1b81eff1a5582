-- Usage that came over HTTP and is in no segment yet: a segment per request would drown the store. It is accepted,
-- durable and held against all that was accepted before; opening a run moves it into segments first, and so does an
-- import of a file and, within a minute, whoever works the home. The move deletes the rows in the commit that names the
-- segments.
--
-- Key that makes a repeat quiet: the hash of (source, id), as in the key index; a correction is there once as well.
create table usage_waiting (
    ordinal bigint generated always as identity primary key,
    key uuid not null constraint usage_waiting_key_unique unique,
    content bigint not null,
    mark uuid constraint usage_waiting_mark_unique unique,
    source text collate "C" not null,
    event text collate "C" not null,
    subject text collate "C" not null,
    meter text collate "C" not null,
    quantity numeric not null,
    time_us bigint not null,
    properties text collate "C" not null,
    corrects text collate "C" not null,
    received_at timestamptz not null
);
