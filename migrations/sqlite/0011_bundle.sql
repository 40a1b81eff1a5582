-- Upkeep of the usage store: small segments of several imports are bundled in one file, whose parts go on belonging to
-- their imports.
--
-- Key that makes a repeat quiet: the version's compare-and-set; a path is claimed before it is written.
create table usage_part (
    path text not null constraint usage_part_segment_fk references usage_segment (path) on delete cascade,
    first_row integer not null,
    import_number integer not null,
    row_count integer not null,
    min_time_us integer not null,
    max_time_us integer not null,
    min_subscription integer not null,
    max_subscription integer not null,
    correction_count integer not null,
    primary key (path, first_row)
) strict;

-- Paths that upkeep is about to write; after `until` nobody is at it any more.
create table usage_claim (
    path text not null primary key,
    until text not null
) strict;
