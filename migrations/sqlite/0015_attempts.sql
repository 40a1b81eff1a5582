-- A payer beyond a safety bound stays parked until a person lets it through by name (rules I9); a run keeps what each
-- of its attempts said (rules I10); a slice that failed has a time at which it is tried again.
--
-- Keys that make a repeat quiet: a payer is parked once; run and attempt, of which the first is the run itself.
create table parked_payer (
    payer blob not null primary key,
    run blob not null constraint parked_payer_run_fk references run (id),
    reason text not null,
    since text not null
) strict;

alter table run_item add column released integer not null default 0;

create table run_attempt (
    run blob not null constraint run_attempt_run_fk references run (id),
    attempt integer not null,
    kind text not null constraint run_attempt_kind check (kind in ('rerun', 'release')),
    actor text not null,
    asked_at text not null,
    usage text,
    hash text,
    constraint run_attempt_pk primary key (run, attempt)
) strict;

-- The payers of an attempt, and what the run said of each before it.
create table run_attempt_item (
    run blob not null,
    attempt integer not null,
    payer blob not null,
    account_number text not null,
    state text not null,
    reason text,
    hash text,
    constraint run_attempt_item_pk primary key (run, attempt, payer),
    constraint run_attempt_item_attempt_fk foreign key (run, attempt) references run_attempt (run, attempt)
) strict;

create index run_item_aside on run_item (payer) where state in ('failed', 'parked');
alter table run_slice add column retry_at text;
