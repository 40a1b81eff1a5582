-- What a run writes refers to rows of the same transaction, and is checked when everything is written. A statement of many
-- rows that may stop half-way keeps a copy of every page that it changes, which costs nearly as much as the rows; a
-- reference that is checked at once, or a trigger that aborts, makes it such a one.
pragma writable_schema = on;
update sqlite_schema
set sql = replace(
    replace(
        replace(
            replace(sql, 'references invoice (id)', 'references invoice (id) deferrable initially deferred'),
            'references ledger_entry (id)', 'references ledger_entry (id) deferrable initially deferred'),
        'references run (id)', 'references run (id) deferrable initially deferred'),
    'references draft (id) on delete cascade', 'references draft (id) on delete cascade deferrable initially deferred')
where type = 'table'
  and name in ('draft_body', 'invoice_line', 'invoice_settlement', 'invoice_vat', 'ledger_posting', 'ledger_seal',
               'ledger_unsealed', 'measured_quantity', 'payment_reference', 'run_item');
pragma writable_schema = reset;

drop trigger ledger_entry_refuses_closed;
create trigger ledger_entry_refuses_closed before insert on ledger_entry
when new.posting_date < (select max(open_from) from accounting_close)
begin
    select raise(fail, 'the accounting period of this entry is closed');
end;
