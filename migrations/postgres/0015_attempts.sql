-- A payer beyond a safety bound stays parked until a person lets it through by name (rules I9); a run keeps what each
-- of its attempts said (rules I10); a slice that failed has a time at which it is tried again.
--
-- Keys that make a repeat quiet: a payer is parked once; run and attempt, of which the first is the run itself.
create table parked_payer (
    payer uuid not null primary key,
    run uuid not null constraint parked_payer_run_fk references run (id),
    reason text collate "C" not null,
    since timestamptz not null
);

alter table run_item add column released boolean not null default false;

create table run_attempt (
    run uuid not null constraint run_attempt_run_fk references run (id),
    attempt bigint not null,
    kind text collate "C" not null constraint run_attempt_kind check (kind in ('rerun', 'release')),
    actor text collate "C" not null,
    asked_at timestamptz not null,
    usage jsonb,
    hash text collate "C",
    constraint run_attempt_pk primary key (run, attempt)
);

-- The payers of an attempt, and what the run said of each before it.
create table run_attempt_item (
    run uuid not null,
    attempt bigint not null,
    payer uuid not null,
    account_number text collate "C" not null,
    state text collate "C" not null,
    reason text collate "C",
    hash text collate "C",
    constraint run_attempt_item_pk primary key (run, attempt, payer),
    constraint run_attempt_item_attempt_fk foreign key (run, attempt) references run_attempt (run, attempt)
);

create index run_item_aside on run_item (payer) where state in ('failed', 'parked');
alter table run_slice add column retry_at timestamptz;
