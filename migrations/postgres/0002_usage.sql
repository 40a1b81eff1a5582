-- The catalogue of the usage store: which files exist, at which version each became visible, and what came of
-- every import (architecture.md §4, rules.md Q3 to Q5). The events themselves are in Parquet files.
--
-- Keys that make a repeat quiet: the hash of a file's bytes; the version's compare-and-set lets one import commit
-- at a time.
create table usage_store (
    one bigint not null primary key constraint usage_store_single check (one = 1),
    version bigint not null
);
insert into usage_store (one, version) values (1, 0);

-- `number` is given in the committing transaction. Times are instants of the edge.
create table usage_import (
    id uuid not null primary key,
    sha256 text collate "C" not null,
    file_name text collate "C" not null,
    source text collate "C",
    state text collate "C" not null constraint usage_import_state check (state in ('writing', 'done', 'abandoned')),
    owner text collate "C" not null,
    deadline timestamptz not null,
    begun_at timestamptz not null,
    ended_at timestamptz,
    number bigint constraint usage_import_number_unique unique,
    version bigint,
    read_rows bigint not null default 0,
    accepted_rows bigint not null default 0,
    duplicate_rows bigint not null default 0,
    rejected_rows bigint not null default 0,
    late_rows bigint not null default 0,
    rejects jsonb,
    reject_path text collate "C",
    constraint usage_import_accounts check (read_rows = accepted_rows + duplicate_rows + rejected_rows),
    constraint usage_import_late check (late_rows <= accepted_rows),
    constraint usage_import_numbered check ((state = 'done') = (number is not null))
);
create unique index usage_import_bytes on usage_import (sha256) where state <> 'abandoned';
create trigger usage_import_refuses_update before update on usage_import
for each row when (old.state = 'done') execute function tallybook_refuse('an import that is done does not change');
create trigger usage_import_refuses_delete before delete on usage_import
for each row when (old.state = 'done') execute function tallybook_refuse('an import that is done is not deleted');

-- Every path that an import said it would write; a path may end in * and then stands for all that begin so.
create table usage_path (
    path text collate "C" not null primary key,
    import uuid not null constraint usage_path_import_fk references usage_import (id)
);
create index usage_path_import on usage_path (import);

-- A segment is visible at version V if added_version <= V and (removed_version is null or removed_version > V).
-- Times are microseconds since 1970; `import` is null once compaction has merged several.
create table usage_segment (
    path text collate "C" not null primary key,
    import uuid,
    import_number bigint,
    month text collate "C" not null,
    row_count bigint not null,
    byte_count bigint not null,
    sha256 text collate "C" not null,
    min_time_us bigint not null,
    max_time_us bigint not null,
    min_subscription bigint not null,
    max_subscription bigint not null,
    correction_count bigint not null,
    added_version bigint not null,
    removed_version bigint,
    constraint usage_segment_versions check (removed_version is null or removed_version > added_version)
);
create index usage_segment_import on usage_segment (import);

-- Sorted runs of event keys. `import_number` is the newest import they hold.
create table usage_key_run (
    path text collate "C" not null primary key,
    import_number bigint not null,
    row_count bigint not null,
    byte_count bigint not null,
    sha256 text collate "C" not null,
    added_version bigint not null,
    removed_version bigint,
    constraint usage_key_run_versions check (removed_version is null or removed_version > added_version)
);

-- Meters by number, for files that store numbers instead of names.
create table usage_meter (
    name text collate "C" not null primary key,
    no bigint not null constraint usage_meter_no_unique unique
);
