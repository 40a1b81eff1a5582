-- What an accountant asks of every row: VAT code, rate and base on revenue as on VAT, the buyer's country, the due date, and
-- the amount in the base currency beside a foreign one. Entries of earlier versions have form 1: their sealed form, and so
-- their hash, stays; what they lack is looked up in the booked document. The buyer's VAT number stays on the document alone,
-- where an erasure finds it.
alter table ledger_entry add column form integer not null default 1
    constraint ledger_entry_form_known check (form in (1, 2));
alter table ledger_entry add column due_date text;
alter table ledger_entry add column country text;
alter table ledger_entry add column base_currency text;
alter table ledger_entry add column base_rate text;
alter table ledger_entry add column base_rate_date text;
alter table ledger_posting add column tax_base_minor integer;
alter table ledger_posting add column base_minor integer;
