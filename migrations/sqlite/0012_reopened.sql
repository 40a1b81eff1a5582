-- Billed lines that are due again, as their invoice was credited for a rebill (rules.md I4): a row stands against the
-- billed line, which is never changed. The next billing of the period has the next revision.
--
-- Key that makes a repeat quiet: that of the billed line.
create table reopened_line (
    charge blob not null,
    key_start text not null,
    revision integer not null,
    kind text not null,
    ordinal integer not null,
    reopened_on text not null,
    constraint reopened_line_pk primary key (charge, key_start, revision, kind, ordinal),
    constraint reopened_line_billed_fk foreign key (charge, key_start, revision, kind, ordinal)
        references billed_line (charge, key_start, revision, kind, ordinal)
) strict;
