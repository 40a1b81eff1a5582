-- A person is erased: what the law does not ask for goes at once, what it asks for stays until its years are over. Whoever
-- was erased is not loaded again from an old book file.
--
-- Key that makes a repeat quiet: the customer.
create table erasure (
    customer uuid not null primary key constraint erasure_customer_fk references customer (id),
    account_number text collate "C" not null constraint erasure_account_number_unique unique,
    erased_on date not null,
    kept_until date
);

-- An erasure writes a reject file anew without what was handed in for the person, and nothing else changes.
drop trigger usage_import_refuses_update on usage_import;
create trigger usage_import_refuses_update before update of
    id, sha256, file_name, source, state, owner, deadline, begun_at, ended_at, number, version, read_rows,
    accepted_rows, duplicate_rows, rejected_rows, late_rows, rejects
on usage_import
for each row when (old.state = 'done') execute function tallybook_refuse('an import that is done does not change');

-- Once its years are over the buyer of an invoice is emptied, its reference with it, and its documents go.
drop trigger invoice_refuses_update on invoice;
create trigger invoice_refuses_update before update of
    id, number, series, sequence, run, payer, account_number, subscription, subscription_number, child, currency,
    charge_date, invoice_date, due_date, payable_by, booked_on, payment_term, is_credit_note, credits,
    number_pattern, autobill, seller, payment_method, language, business_unit, dunning_policy, revision, net_minor,
    vat_minor, base_currency, base_rate, base_rate_date, base_rate_source, base_net_minor, base_vat_minor
on invoice
for each row execute function tallybook_refuse('a booked invoice does not change');
create function invoice_buyer_erased() returns trigger language plpgsql as $$
begin
    if new.buyer ->> 'name' is distinct from 'erased' or new.reference is not null
        or not exists (select 1 from erasure e where e.customer = old.payer) then
        raise exception 'a booked invoice does not change' using errcode = 'restrict_violation';
    end if;
    return new;
end
$$;
create trigger invoice_buyer_refuses_update before update of buyer, reference on invoice
for each row execute function invoice_buyer_erased();
create function document_erased() returns trigger language plpgsql as $$
begin
    if not exists (select 1 from invoice i where i.id = old.invoice and i.buyer ->> 'name' = 'erased') then
        raise exception 'a document of a booked invoice is not deleted' using errcode = 'restrict_violation';
    end if;
    return old;
end
$$;
drop trigger document_refuses_delete on document;
create trigger document_refuses_delete before delete on document
for each row execute function document_erased();
