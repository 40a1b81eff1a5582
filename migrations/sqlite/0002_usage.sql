-- The catalogue of the usage store: which files exist, at which version each became visible, and what came of
-- every import (architecture.md §4, rules.md Q3 to Q5). The events themselves are in Parquet files.
--
-- Keys that make a repeat quiet: the hash of a file's bytes; the version's compare-and-set lets one import commit
-- at a time.
create table usage_store (
    one integer not null primary key constraint usage_store_single check (one = 1),
    version integer not null
) strict;
insert into usage_store (one, version) values (1, 0);

-- `number` is given in the committing transaction. Times are instants of the edge.
create table usage_import (
    id blob not null primary key,
    sha256 text not null,
    file_name text not null,
    source text,
    state text not null constraint usage_import_state check (state in ('writing', 'done', 'abandoned')),
    owner text not null,
    deadline text not null,
    begun_at text not null,
    ended_at text,
    number integer constraint usage_import_number_unique unique,
    version integer,
    read_rows integer not null default 0,
    accepted_rows integer not null default 0,
    duplicate_rows integer not null default 0,
    rejected_rows integer not null default 0,
    late_rows integer not null default 0,
    rejects text,
    reject_path text,
    constraint usage_import_accounts check (read_rows = accepted_rows + duplicate_rows + rejected_rows),
    constraint usage_import_late check (late_rows <= accepted_rows),
    constraint usage_import_numbered check ((state = 'done') = (number is not null))
) strict;
create unique index usage_import_bytes on usage_import (sha256) where state <> 'abandoned';
create trigger usage_import_refuses_update before update on usage_import
when old.state = 'done'
begin
    select raise(abort, 'an import that is done does not change');
end;
create trigger usage_import_refuses_delete before delete on usage_import
when old.state = 'done'
begin
    select raise(abort, 'an import that is done is not deleted');
end;

-- Every path that an import said it would write; a path may end in * and then stands for all that begin so.
create table usage_path (
    path text not null primary key,
    import blob not null constraint usage_path_import_fk references usage_import (id)
) strict;
create index usage_path_import on usage_path (import);

-- A segment is visible at version V if added_version <= V and (removed_version is null or removed_version > V).
-- Times are microseconds since 1970; `import` is null once compaction has merged several.
create table usage_segment (
    path text not null primary key,
    import blob,
    import_number integer,
    month text not null,
    row_count integer not null,
    byte_count integer not null,
    sha256 text not null,
    min_time_us integer not null,
    max_time_us integer not null,
    min_subscription integer not null,
    max_subscription integer not null,
    correction_count integer not null,
    added_version integer not null,
    removed_version integer,
    constraint usage_segment_versions check (removed_version is null or removed_version > added_version)
) strict;
create index usage_segment_import on usage_segment (import);

-- Sorted runs of event keys. `import_number` is the newest import they hold.
create table usage_key_run (
    path text not null primary key,
    import_number integer not null,
    row_count integer not null,
    byte_count integer not null,
    sha256 text not null,
    added_version integer not null,
    removed_version integer,
    constraint usage_key_run_versions check (removed_version is null or removed_version > added_version)
) strict;

-- Meters by number, for files that store numbers instead of names.
create table usage_meter (
    name text not null primary key,
    no integer not null constraint usage_meter_no_unique unique
) strict;
