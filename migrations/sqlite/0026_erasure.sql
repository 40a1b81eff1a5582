-- A person is erased: what the law does not ask for goes at once, what it asks for stays until its years are over. Whoever
-- was erased is not loaded again from an old book file.
--
-- Key that makes a repeat quiet: the customer.
create table erasure (
    customer blob not null primary key constraint erasure_customer_fk references customer (id),
    account_number text not null constraint erasure_account_number_unique unique,
    erased_on text not null,
    kept_until text
) strict;

-- An erasure writes a reject file anew without what was handed in for the person, and nothing else changes.
drop trigger usage_import_refuses_update;
create trigger usage_import_refuses_update before update of
    id, sha256, file_name, source, state, owner, deadline, begun_at, ended_at, number, version, read_rows,
    accepted_rows, duplicate_rows, rejected_rows, late_rows, rejects
on usage_import
when old.state = 'done'
begin
    select raise(abort, 'an import that is done does not change');
end;

-- Once its years are over the buyer of an invoice is emptied, its reference with it, and its documents go.
drop trigger invoice_refuses_update;
create trigger invoice_refuses_update before update of
    id, number, series, sequence, run, payer, account_number, subscription, subscription_number, child, currency,
    charge_date, invoice_date, due_date, payable_by, booked_on, payment_term, is_credit_note, credits,
    number_pattern, autobill, seller, payment_method, language, business_unit, dunning_policy, revision, net_minor,
    vat_minor, base_currency, base_rate, base_rate_date, base_rate_source, base_net_minor, base_vat_minor
on invoice
begin
    select raise(abort, 'a booked invoice does not change');
end;
create trigger invoice_buyer_refuses_update before update of buyer, reference on invoice
when new.buyer ->> 'name' is not 'erased' or new.reference is not null
    or not exists (select 1 from erasure e where e.customer = old.payer)
begin
    select raise(abort, 'a booked invoice does not change');
end;
drop trigger document_refuses_delete;
create trigger document_refuses_delete before delete on document
when not exists (select 1 from invoice i where i.id = old.invoice and i.buyer ->> 'name' = 'erased')
begin
    select raise(abort, 'a document of a booked invoice is not deleted');
end;
