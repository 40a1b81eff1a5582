-- Drafts, and the periods that have been taken. Drafts are not invoices: they may be dropped, so they live in their
-- own table and booking inserts into 0005 instead of updating here.
--
-- Keys that make a repeat quiet: a draft's id follows from its natural key (rules.md S5, I1); a period is taken once
-- per (charge reference, period start, revision, kind, ordinal).
create table draft (
    id blob not null primary key,
    run blob not null,
    payer blob not null,
    account_number text not null,
    subscription blob,
    subscription_number text,
    currency text not null,
    charge_date text not null,
    invoice_date text not null,
    series text not null,
    is_credit_note integer not null,
    autobill integer not null,
    net_minor integer not null,
    vat_minor integer not null,
    revision integer not null,
    state text not null constraint draft_state check (state in ('open', 'booked', 'cancelled', 'set_aside')),
    reason text,
    rank integer,
    slice integer,
    body text not null
) strict;
create index draft_run on draft (run, slice, rank);
create index draft_payer on draft (payer) where state = 'open';

-- Every period that some draft or invoice has taken, also with quantity 0 (rules.md Q5). `invoice` is null if
-- nothing was drafted for it; `quantity` is an exact fraction; `waived` periods stay taken without an invoice (I4).
create table billed_line (
    charge blob not null,
    key_start text not null,
    revision integer not null,
    kind text not null,
    ordinal integer not null,
    run blob not null,
    payer blob not null,
    subscription blob not null,
    period_start text not null,
    period_end text not null,
    charge_date text not null,
    line blob,
    invoice blob,
    currency text not null,
    group_value text,
    quantity text not null,
    net_minor integer not null,
    discount text not null,
    tax_category text not null,
    tax_pct text not null,
    usage_mark integer not null,
    waived integer not null default 0,
    constraint billed_line_pk primary key (charge, key_start, revision, kind, ordinal)
) strict;
create index billed_line_payer on billed_line (payer);
create index billed_line_run on billed_line (run);
create index billed_line_invoice on billed_line (invoice) where invoice is not null;

-- A payer's drafts below the minimum after a run (rules.md I8); the newest run's set holds, an empty one too.
create table carried_set (
    payer blob not null,
    run_ordinal integer not null,
    run blob not null,
    drafts text not null,
    constraint carried_set_pk primary key (payer, run_ordinal)
) strict;
