-- What settled an invoice: how much of it its own credit notes took back, and how much was given up (rules I4). The rest of
-- `settled_minor` is what the payer gave. An invoice on which nothing is open reads accordingly from now on.
alter table invoice_settlement add column credited_minor bigint not null default 0;
alter table invoice_settlement add column written_off_minor bigint not null default 0;

update invoice_settlement
set written_off_minor = coalesce((select cast(sum(p.amount_minor) as bigint)
                                  from settlement_part p
                                  where p.invoice = invoice_settlement.invoice and p.kind = 'write_off'), 0),
    credited_minor = coalesce((select cast(sum(p.amount_minor) as bigint)
                               from settlement_part p
                               join invoice i on i.id = p.invoice
                               join invoice n on n.id = coalesce(p.document, p.source)
                               where p.invoice = invoice_settlement.invoice and p.kind = 'set_off'
                                 and n.is_credit_note
                                 and n.credits @> to_jsonb(i.number)), 0)
where exists (select 1
              from settlement_part p
              where p.invoice = invoice_settlement.invoice and p.kind in ('write_off', 'set_off'));

update invoice_settlement
set payment_status = case when written_off_minor <> 0 then 'failed' else 'cancelled' end,
    payment_date = null
where open_minor = 0
  and settled_minor > 0
  and (written_off_minor <> 0 or credited_minor = settled_minor);
