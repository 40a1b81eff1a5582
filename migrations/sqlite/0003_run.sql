-- Runs: what they bill, as of when, reading usage up to which import; their payers; their slices of work.
--
-- Keys that make a repeat quiet: one unfinished run per scope; run and payer; run, step and slice with its epoch
-- ("the slice row is the truth", architecture.md §5); run, charge reference, period and revision for a quantity.
create table run (
    id blob not null primary key,
    ordinal integer not null constraint run_ordinal_unique unique,
    scope_key text not null,
    scope text not null,
    as_of text not null,
    state text not null constraint run_state check (state in ('open', 'review', 'closed', 'cancelled', 'reversed')),
    usage_mark integer not null,
    usage_version integer not null,
    options text not null,
    usage text,
    hash text,
    opened_at text not null,
    ended_at text
) strict;
create unique index run_unfinished_scope on run (scope_key) where state in ('open', 'review');

-- One row per root payer; `position` is its place in account-number order, `slice` the slice that works it.
create table run_item (
    run blob not null constraint run_item_run_fk references run (id),
    payer blob not null,
    account_number text not null,
    position integer not null,
    slice integer not null,
    state text not null constraint run_item_state check (state in ('open', 'done', 'nothing', 'failed', 'parked')),
    reason text,
    attempts integer not null default 0,
    revision integer not null,
    hash text,
    drafts integer not null default 0,
    invoices integer not null default 0,
    constraint run_item_pk primary key (run, payer)
) strict;
create index run_item_slice on run_item (run, slice);
create index run_item_payer on run_item (payer);

-- The truth about a piece of work; the queue's task is a hint that carries the epoch.
create table run_slice (
    run blob not null constraint run_slice_run_fk references run (id),
    step text not null,
    slice integer not null,
    epoch integer not null,
    state text not null constraint run_slice_state check (state in ('open', 'done')),
    worker text,
    claimed_until text,
    error text,
    attempts integer not null default 0,
    constraint run_slice_pk primary key (run, step, slice)
) strict;
create index run_slice_open on run_slice (run, step) where state = 'open';

-- Rated quantities. `groups` holds them per group and stretch, as exact fractions.
create table measured_quantity (
    run blob not null constraint measured_quantity_run_fk references run (id),
    charge blob not null,
    period_start text not null,
    payer blob not null,
    revision integer not null,
    newest_import integer not null,
    groups text not null,
    constraint measured_quantity_pk primary key (run, charge, period_start, revision)
) strict;
create index measured_quantity_payer on measured_quantity (run, payer);
