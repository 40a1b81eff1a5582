-- Billed lines that are due again, as their invoice was credited for a rebill (rules.md I4): a row stands against the
-- billed line, which is never changed. The next billing of the period has the next revision.
--
-- Key that makes a repeat quiet: that of the billed line.
create table reopened_line (
    charge uuid not null,
    key_start date not null,
    revision bigint not null,
    kind text collate "C" not null,
    ordinal bigint not null,
    reopened_on date not null,
    constraint reopened_line_pk primary key (charge, key_start, revision, kind, ordinal),
    constraint reopened_line_billed_fk foreign key (charge, key_start, revision, kind, ordinal)
        references billed_line (charge, key_start, revision, kind, ordinal)
);
