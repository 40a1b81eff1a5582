-- Drafts, and the periods that have been taken. Drafts are not invoices: they may be dropped, so they live in their
-- own table and booking inserts into 0005 instead of updating here.
--
-- Keys that make a repeat quiet: a draft's id follows from its natural key (rules.md S5, I1); a period is taken once
-- per (charge reference, period start, revision, kind, ordinal).
create table draft (
    id uuid not null primary key,
    run uuid not null,
    payer uuid not null,
    account_number text collate "C" not null,
    subscription uuid,
    subscription_number text collate "C",
    currency text collate "C" not null,
    charge_date date not null,
    invoice_date date not null,
    series text collate "C" not null,
    is_credit_note boolean not null,
    autobill boolean not null,
    net_minor bigint not null,
    vat_minor bigint not null,
    revision bigint not null,
    state text collate "C" not null constraint draft_state check (state in ('open', 'booked', 'cancelled', 'set_aside')),
    reason text collate "C",
    rank bigint,
    slice bigint,
    body jsonb not null
);
create index draft_run on draft (run, slice, rank);
create index draft_payer on draft (payer) where state = 'open';

-- Every period that some draft or invoice has taken, also with quantity 0 (rules.md Q5). `invoice` is null if
-- nothing was drafted for it; `quantity` is an exact fraction; `waived` periods stay taken without an invoice (I4).
create table billed_line (
    charge uuid not null,
    key_start date not null,
    revision bigint not null,
    kind text collate "C" not null,
    ordinal bigint not null,
    run uuid not null,
    payer uuid not null,
    subscription uuid not null,
    period_start date not null,
    period_end date not null,
    charge_date date not null,
    line uuid,
    invoice uuid,
    currency text collate "C" not null,
    group_value text collate "C",
    quantity text collate "C" not null,
    net_minor bigint not null,
    discount numeric not null,
    tax_category text collate "C" not null,
    tax_pct numeric not null,
    usage_mark bigint not null,
    waived boolean not null default false,
    constraint billed_line_pk primary key (charge, key_start, revision, kind, ordinal)
);
create index billed_line_payer on billed_line (payer);
create index billed_line_run on billed_line (run);
create index billed_line_invoice on billed_line (invoice) where invoice is not null;

-- A payer's drafts below the minimum after a run (rules.md I8); the newest run's set holds, an empty one too.
create table carried_set (
    payer uuid not null,
    run_ordinal bigint not null,
    run uuid not null,
    drafts jsonb not null,
    constraint carried_set_pk primary key (payer, run_ordinal)
);
