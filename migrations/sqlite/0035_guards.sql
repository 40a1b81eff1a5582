-- What is booked or brought in does not change, columns that later versions add among it: an erasure alone gets past these,
-- and the guards that name columns say what it may touch.
create trigger invoice_refuses_any_update before update on invoice
when new.buyer ->> 'name' is not 'erased' or new.reference is not null
    or not exists (select 1 from erasure e where e.customer = old.payer)
begin
    select raise(abort, 'a booked invoice does not change');
end;
create trigger usage_import_refuses_any_update before update on usage_import
when old.state = 'done' and new.reject_path is old.reject_path
begin
    select raise(abort, 'an import that is done does not change');
end;
