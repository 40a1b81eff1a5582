-- One balance per billed line (rules M3): what a line gives back of others, by hand or by a run, with the VAT of it.
-- Amounts have the sign of the line that is credited, and are gross where its price includes VAT. What was credited
-- before this table is taken over from the lines themselves; `taken_over` tells it apart, as nobody checked it then.
--
-- Key that makes a repeat quiet: the line that credits and the line that is credited.
create table line_credit (
    credit_line uuid not null constraint line_credit_line_fk references invoice_line (id),
    credited_line uuid not null,
    payer uuid not null,
    amount_minor bigint not null,
    vat_minor bigint not null,
    taken_over boolean not null default false,
    constraint line_credit_pk primary key (credit_line, credited_line)
);
create index line_credit_payer on line_credit (payer);
create index line_credit_credited on line_credit (credited_line);

insert into line_credit (credit_line, credited_line, payer, amount_minor, vat_minor, taken_over)
select n.id, o.id, ni.payer,
       -(n.subtotal_minor + case when o.tax_inclusive then n.vat_minor else 0 end), -n.vat_minor, true
from invoice_line n
join invoice ni on ni.id = n.invoice
join invoice oi on oi.number = n.amends and oi.id <> ni.id
join invoice_line o on o.invoice = oi.id
where o.id = coalesce(
    -- written by hand: it mirrors the line
    (select c.id
     from invoice_line c
     where c.invoice = oi.id and ni.is_credit_note and c.number = n.number and c.sku = n.sku
       and c.key_kind is not distinct from n.key_kind and c.key_charge is not distinct from n.key_charge
       and c.key_start is not distinct from n.key_start and c.key_ordinal is not distinct from n.key_ordinal),
    -- of a change: what charged its days last
    (select c.id
     from invoice_line c
     where c.invoice = oi.id and n.key_kind = 'proration_credit' and n.subtotal_minor < 0
       and c.key_charge = n.key_charge and c.key_kind in ('regular', 'proration_charge')
       and c.period_start <= n.period_start and n.period_start < c.period_end
     order by case c.key_kind when 'regular' then 1 else 0 end, c.period_start desc, c.key_ordinal desc
     limit 1),
    -- a correction of usage
    (select c.id
     from invoice_line c
     where c.invoice = oi.id and n.key_kind = 'late' and n.subtotal_minor < 0
       and c.key_charge = n.key_charge and c.key_start = n.key_start and c.key_kind = 'regular'
     order by c.key_ordinal
     limit 1));

create trigger line_credit_refuses_update before update on line_credit
for each row execute function tallybook_refuse('a credit of a booked line does not change');
create trigger line_credit_refuses_delete before delete on line_credit
for each row execute function tallybook_refuse('a credit of a booked line is not deleted');

-- What a fixed discount has taken off a period stays taken off (rules M5); what the line came to on paper is the most
-- that can be credited of it. Null: what was rated.
alter table billed_line add column granted_minor bigint not null default 0;
alter table billed_line add column priced_minor bigint;
alter table billed_line add column vat_minor bigint not null default 0;
update billed_line
set granted_minor = coalesce((select case when l.discount = 0 and billed_line.kind = 'regular'
                                          then l.discount_minor else 0 end
                              from invoice_line l where l.id = billed_line.line), 0),
    priced_minor = (select l.subtotal_minor + case when l.tax_inclusive then l.vat_minor else 0 end
                    from invoice_line l where l.id = billed_line.line),
    vat_minor = coalesce((select l.vat_minor from invoice_line l where l.id = billed_line.line), 0)
where line is not null;

-- The other document of a set-off: two that meet again need another key (rules Y5).
alter table settlement_part add column document uuid;
