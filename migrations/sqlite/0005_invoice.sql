-- Booked invoices and credit notes, as they were on that day (rules.md I6): lines, totals, parties and base amounts
-- never change. What moves after booking - settlement, delivery, export - has its own tables.
--
-- Keys that make a repeat quiet: the invoice's id; (series, sequence) and the number are unique (rules.md I5); a
-- settlement part is keyed (invoice, kind, source).
create table number_series (
    name text not null primary key,
    next integer not null constraint number_series_next check (next >= 1)
) strict;

create table invoice (
    id blob not null primary key,
    number text not null constraint invoice_number_unique unique,
    series text not null,
    sequence integer not null,
    run blob,
    payer blob not null,
    account_number text not null,
    subscription blob,
    subscription_number text,
    child blob,
    currency text not null,
    charge_date text not null,
    invoice_date text not null,
    due_date text not null,
    payable_by text not null,
    booked_on text not null,
    payment_term integer not null,
    is_credit_note integer not null,
    credits text not null,
    number_pattern text not null,
    autobill integer not null,
    seller text not null,
    buyer text not null,
    payment_method text,
    reference text,
    language text not null,
    business_unit text,
    revision integer not null,
    net_minor integer not null,
    vat_minor integer not null,
    base_currency text,
    base_rate text,
    base_rate_date text,
    base_rate_source text,
    base_net_minor integer,
    base_vat_minor integer,
    constraint invoice_sequence_unique unique (series, sequence),
    constraint invoice_sequence_positive check (sequence >= 1),
    constraint invoice_base_whole check ((base_currency is null) = (base_rate is null)
        and (base_currency is null) = (base_rate_date is null)
        and (base_currency is null) = (base_rate_source is null)
        and (base_currency is null) = (base_net_minor is null)
        and (base_currency is null) = (base_vat_minor is null))
) strict;
create index invoice_run on invoice (run);
create index invoice_payer on invoice (payer, invoice_date);
create index invoice_account on invoice (account_number);
create trigger invoice_refuses_update before update on invoice
begin
    select raise(abort, 'a booked invoice does not change');
end;
create trigger invoice_refuses_delete before delete on invoice
begin
    select raise(abort, 'a booked invoice is not deleted');
end;

-- `key_*` is the line's key (rules.md S5), null on custom lines; `exact` is a fraction of major units.
create table invoice_line (
    id blob not null primary key,
    invoice blob not null constraint invoice_line_invoice_fk references invoice (id),
    number integer not null,
    key_charge blob,
    key_start text,
    key_revision integer,
    key_kind text,
    key_ordinal integer,
    owner blob not null,
    subscription blob,
    subscription_number text,
    sku text not null,
    title text not null,
    description text not null,
    quantity text not null,
    unit_price text not null,
    rated_quantity text not null,
    unit text,
    subtotal_minor integer not null,
    discount text not null,
    discount_minor integer not null,
    discount_text text,
    tax_category text not null,
    tax_pct text not null,
    tax_reason text,
    vat_minor integer not null,
    period_start text not null,
    period_end text not null,
    tax_date text not null,
    deferred integer not null,
    arrears integer not null,
    tax_inclusive integer not null,
    is_amendment integer not null,
    is_adjustment integer not null,
    amends text,
    business_unit text,
    accounting_code text,
    exact text not null,
    constraint invoice_line_number_unique unique (invoice, number)
) strict;
create trigger invoice_line_refuses_update before update on invoice_line
begin
    select raise(abort, 'a line of a booked invoice does not change');
end;
create trigger invoice_line_refuses_delete before delete on invoice_line
begin
    select raise(abort, 'a line of a booked invoice is not deleted');
end;

create table invoice_vat (
    invoice blob not null constraint invoice_vat_invoice_fk references invoice (id),
    position integer not null,
    category text not null,
    rate_pct text not null,
    reason text,
    net_minor integer not null,
    vat_minor integer not null,
    constraint invoice_vat_pk primary key (invoice, position)
) strict;
create trigger invoice_vat_refuses_update before update on invoice_vat
begin
    select raise(abort, 'the VAT of a booked invoice does not change');
end;
create trigger invoice_vat_refuses_delete before delete on invoice_vat
begin
    select raise(abort, 'the VAT of a booked invoice is not deleted');
end;

-- The marks that move. `settled_minor` is what is paid, credited and set off so far.
create table invoice_settlement (
    invoice blob not null primary key constraint invoice_settlement_invoice_fk references invoice (id),
    status text not null,
    payment_status text not null,
    open_minor integer not null,
    settled_minor integer not null,
    payment_date text,
    dunning_step integer not null,
    next_retry text
) strict;
create index invoice_settlement_open on invoice_settlement (invoice) where open_minor <> 0;
create index invoice_settlement_retry on invoice_settlement (next_retry) where next_retry is not null;
create trigger invoice_settlement_refuses_delete before delete on invoice_settlement
begin
    select raise(abort, 'the settlement of a booked invoice is not deleted');
end;

-- Each payment, credit or set-off that moved a settlement, once: what it came from is its key.
create table settlement_part (
    invoice blob not null constraint settlement_part_invoice_fk references invoice (id),
    kind text not null,
    source blob not null,
    amount_minor integer not null,
    settled_on text not null,
    constraint settlement_part_pk primary key (invoice, kind, source)
) strict;
create trigger settlement_part_refuses_update before update on settlement_part
begin
    select raise(abort, 'a settlement does not change: add the opposite');
end;
create trigger settlement_part_refuses_delete before delete on settlement_part
begin
    select raise(abort, 'a settlement is not deleted: add the opposite');
end;

-- Charges of plans that a booked line has: their terms no longer change (rules.md P9).
create table billed_charge (
    plan blob not null,
    sku text not null,
    constraint billed_charge_pk primary key (plan, sku)
) strict;

-- What an invoice has taken for good can no longer be released.
create trigger billed_line_refuses_delete before delete on billed_line
when exists (select 1 from invoice where id = old.invoice)
begin
    select raise(abort, 'a period on a booked invoice is not released');
end;
