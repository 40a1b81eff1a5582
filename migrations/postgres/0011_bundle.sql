-- Upkeep of the usage store: small segments of several imports are bundled in one file, whose parts go on belonging to
-- their imports.
--
-- Key that makes a repeat quiet: the version's compare-and-set; a path is claimed before it is written.
create table usage_part (
    path text collate "C" not null constraint usage_part_segment_fk references usage_segment (path) on delete cascade,
    first_row bigint not null,
    import_number bigint not null,
    row_count bigint not null,
    min_time_us bigint not null,
    max_time_us bigint not null,
    min_subscription bigint not null,
    max_subscription bigint not null,
    correction_count bigint not null,
    primary key (path, first_row)
);

-- Paths that upkeep is about to write; after `until` nobody is at it any more.
create table usage_claim (
    path text collate "C" not null primary key,
    until timestamptz not null
);
