-- Runs: what they bill, as of when, reading usage up to which import; their payers; their slices of work.
--
-- Keys that make a repeat quiet: one unfinished run per scope; run and payer; run, step and slice with its epoch
-- ("the slice row is the truth", architecture.md §5); run, charge reference, period and revision for a quantity.
create table run (
    id uuid not null primary key,
    ordinal bigint not null constraint run_ordinal_unique unique,
    scope_key text collate "C" not null,
    scope jsonb not null,
    as_of date not null,
    state text collate "C" not null constraint run_state check (state in ('open', 'review', 'closed', 'cancelled', 'reversed')),
    usage_mark bigint not null,
    usage_version bigint not null,
    options jsonb not null,
    usage jsonb,
    hash text collate "C",
    opened_at timestamptz not null,
    ended_at timestamptz
);
create unique index run_unfinished_scope on run (scope_key) where state in ('open', 'review');

-- One row per root payer; `position` is its place in account-number order, `slice` the slice that works it.
create table run_item (
    run uuid not null constraint run_item_run_fk references run (id),
    payer uuid not null,
    account_number text collate "C" not null,
    position bigint not null,
    slice bigint not null,
    state text collate "C" not null constraint run_item_state check (state in ('open', 'done', 'nothing', 'failed', 'parked')),
    reason text collate "C",
    attempts bigint not null default 0,
    revision bigint not null,
    hash text collate "C",
    drafts bigint not null default 0,
    invoices bigint not null default 0,
    constraint run_item_pk primary key (run, payer)
);
create index run_item_slice on run_item (run, slice);
create index run_item_payer on run_item (payer);

-- The truth about a piece of work; the queue's task is a hint that carries the epoch.
create table run_slice (
    run uuid not null constraint run_slice_run_fk references run (id),
    step text collate "C" not null,
    slice bigint not null,
    epoch bigint not null,
    state text collate "C" not null constraint run_slice_state check (state in ('open', 'done')),
    worker text collate "C",
    claimed_until timestamptz,
    error text collate "C",
    attempts bigint not null default 0,
    constraint run_slice_pk primary key (run, step, slice)
);
create index run_slice_open on run_slice (run, step) where state = 'open';

-- Rated quantities. `groups` holds them per group and stretch, as exact fractions.
create table measured_quantity (
    run uuid not null constraint measured_quantity_run_fk references run (id),
    charge uuid not null,
    period_start date not null,
    payer uuid not null,
    revision bigint not null,
    newest_import bigint not null,
    groups jsonb not null,
    constraint measured_quantity_pk primary key (run, charge, period_start, revision)
);
create index measured_quantity_payer on measured_quantity (run, payer);
