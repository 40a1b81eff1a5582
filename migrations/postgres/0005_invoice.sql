-- Booked invoices and credit notes, as they were on that day (rules.md I6): lines, totals, parties and base amounts
-- never change. What moves after booking - settlement, delivery, export - has its own tables.
--
-- Keys that make a repeat quiet: the invoice's id; (series, sequence) and the number are unique (rules.md I5); a
-- settlement part is keyed (invoice, kind, source).
create table number_series (
    name text collate "C" not null primary key,
    next bigint not null constraint number_series_next check (next >= 1)
);

create table invoice (
    id uuid not null primary key,
    number text collate "C" not null constraint invoice_number_unique unique,
    series text collate "C" not null,
    sequence bigint not null,
    run uuid,
    payer uuid not null,
    account_number text collate "C" not null,
    subscription uuid,
    subscription_number text collate "C",
    child uuid,
    currency text collate "C" not null,
    charge_date date not null,
    invoice_date date not null,
    due_date date not null,
    payable_by date not null,
    booked_on date not null,
    payment_term bigint not null,
    is_credit_note boolean not null,
    credits jsonb not null,
    number_pattern text collate "C" not null,
    autobill boolean not null,
    seller jsonb not null,
    buyer jsonb not null,
    payment_method text collate "C",
    reference text collate "C",
    language text collate "C" not null,
    business_unit text collate "C",
    revision bigint not null,
    net_minor bigint not null,
    vat_minor bigint not null,
    base_currency text collate "C",
    base_rate numeric,
    base_rate_date date,
    base_rate_source text collate "C",
    base_net_minor bigint,
    base_vat_minor bigint,
    constraint invoice_sequence_unique unique (series, sequence),
    constraint invoice_sequence_positive check (sequence >= 1),
    constraint invoice_base_whole check ((base_currency is null) = (base_rate is null)
        and (base_currency is null) = (base_rate_date is null)
        and (base_currency is null) = (base_rate_source is null)
        and (base_currency is null) = (base_net_minor is null)
        and (base_currency is null) = (base_vat_minor is null))
);
create index invoice_run on invoice (run);
create index invoice_payer on invoice (payer, invoice_date);
create index invoice_account on invoice (account_number);
create trigger invoice_refuses_update before update on invoice
for each row execute function tallybook_refuse('a booked invoice does not change');
create trigger invoice_refuses_delete before delete on invoice
for each row execute function tallybook_refuse('a booked invoice is not deleted');

-- `key_*` is the line's key (rules.md S5), null on custom lines; `exact` is a fraction of major units.
create table invoice_line (
    id uuid not null primary key,
    invoice uuid not null constraint invoice_line_invoice_fk references invoice (id),
    number bigint not null,
    key_charge uuid,
    key_start date,
    key_revision bigint,
    key_kind text collate "C",
    key_ordinal bigint,
    owner uuid not null,
    subscription uuid,
    subscription_number text collate "C",
    sku text collate "C" not null,
    title text collate "C" not null,
    description text collate "C" not null,
    quantity numeric not null,
    unit_price numeric not null,
    rated_quantity numeric not null,
    unit text collate "C",
    subtotal_minor bigint not null,
    discount numeric not null,
    discount_minor bigint not null,
    discount_text text collate "C",
    tax_category text collate "C" not null,
    tax_pct numeric not null,
    tax_reason text collate "C",
    vat_minor bigint not null,
    period_start date not null,
    period_end date not null,
    tax_date date not null,
    deferred boolean not null,
    arrears boolean not null,
    tax_inclusive boolean not null,
    is_amendment boolean not null,
    is_adjustment boolean not null,
    amends text collate "C",
    business_unit text collate "C",
    accounting_code text collate "C",
    exact text collate "C" not null,
    constraint invoice_line_number_unique unique (invoice, number)
);
create trigger invoice_line_refuses_update before update on invoice_line
for each row execute function tallybook_refuse('a line of a booked invoice does not change');
create trigger invoice_line_refuses_delete before delete on invoice_line
for each row execute function tallybook_refuse('a line of a booked invoice is not deleted');

create table invoice_vat (
    invoice uuid not null constraint invoice_vat_invoice_fk references invoice (id),
    position bigint not null,
    category text collate "C" not null,
    rate_pct numeric not null,
    reason text collate "C",
    net_minor bigint not null,
    vat_minor bigint not null,
    constraint invoice_vat_pk primary key (invoice, position)
);
create trigger invoice_vat_refuses_update before update on invoice_vat
for each row execute function tallybook_refuse('the VAT of a booked invoice does not change');
create trigger invoice_vat_refuses_delete before delete on invoice_vat
for each row execute function tallybook_refuse('the VAT of a booked invoice is not deleted');

-- The marks that move. `settled_minor` is what is paid, credited and set off so far.
create table invoice_settlement (
    invoice uuid not null primary key constraint invoice_settlement_invoice_fk references invoice (id),
    status text collate "C" not null,
    payment_status text collate "C" not null,
    open_minor bigint not null,
    settled_minor bigint not null,
    payment_date date,
    dunning_step bigint not null,
    next_retry date
);
create index invoice_settlement_open on invoice_settlement (invoice) where open_minor <> 0;
create index invoice_settlement_retry on invoice_settlement (next_retry) where next_retry is not null;
create trigger invoice_settlement_refuses_delete before delete on invoice_settlement
for each row execute function tallybook_refuse('the settlement of a booked invoice is not deleted');

-- Each payment, credit or set-off that moved a settlement, once: what it came from is its key.
create table settlement_part (
    invoice uuid not null constraint settlement_part_invoice_fk references invoice (id),
    kind text collate "C" not null,
    source uuid not null,
    amount_minor bigint not null,
    settled_on date not null,
    constraint settlement_part_pk primary key (invoice, kind, source)
);
create trigger settlement_part_refuses_update before update on settlement_part
for each row execute function tallybook_refuse('a settlement does not change: add the opposite');
create trigger settlement_part_refuses_delete before delete on settlement_part
for each row execute function tallybook_refuse('a settlement is not deleted: add the opposite');

-- Charges of plans that a booked line has: their terms no longer change (rules.md P9).
create table billed_charge (
    plan uuid not null,
    sku text collate "C" not null,
    constraint billed_charge_pk primary key (plan, sku)
);

-- What an invoice has taken for good can no longer be released.
create function billed_line_booked() returns trigger language plpgsql as $$
begin
    if exists (select 1 from invoice where id = old.invoice) then
        raise exception 'a period on a booked invoice is not released' using errcode = 'restrict_violation';
    end if;
    return old;
end
$$;
create trigger billed_line_refuses_delete before delete on billed_line
for each row execute function billed_line_booked();
