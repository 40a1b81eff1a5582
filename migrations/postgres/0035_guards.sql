-- What is booked or brought in does not change, columns that later versions add among it: an erasure alone gets past these,
-- and the guards that name columns say what it may touch.
create trigger invoice_refuses_any_update before update on invoice
for each row execute function invoice_buyer_erased();
create trigger usage_import_refuses_any_update before update on usage_import
for each row when (old.state = 'done' and new.reject_path is not distinct from old.reject_path)
execute function tallybook_refuse('an import that is done does not change');
