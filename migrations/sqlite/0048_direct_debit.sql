-- Direct debits (rules Y8): invoices that wait for the bank's next file, the files, the debits in them, and those that came
-- back. A file is made of these rows alone, so that it can be made again byte for byte.
--
-- Keys that make a repeat quiet: the invoice that waits; the attempt of a debit, which is in one file; one return per attempt. A
-- file whose bytes were not written stays `made`, and is written by whoever makes the next one.
create table debit_asked (
    invoice blob not null primary key constraint debit_asked_invoice_fk references invoice (id),
    asked_on text not null
) strict;

create table debit_file (
    number integer not null primary key,
    message text not null constraint debit_file_message_unique unique,
    version text not null,
    created_at text not null,
    as_of text not null,
    actor text not null,
    creditor_name text not null,
    creditor_iban text not null,
    creditor_bic text,
    creditor_id text not null,
    debits integer not null,
    sum_minor integer not null,
    sha256 text not null,
    state text not null constraint debit_file_state check (state in ('made', 'written'))
) strict;
create index debit_file_unwritten on debit_file (number) where state = 'made';
create trigger debit_file_refuses_update before update on debit_file
when not (old.state = 'made' and new.state = 'written' and old.number = new.number and old.sha256 = new.sha256
          and old.message = new.message)
begin
    select raise(abort, 'a file for the bank does not change');
end;
create trigger debit_file_refuses_delete before delete on debit_file
begin
    select raise(abort, 'a file for the bank is not deleted');
end;

create table debit (
    attempt blob not null primary key constraint debit_attempt_fk references payment_attempt (id),
    file integer not null constraint debit_file_fk references debit_file (number),
    -- Its batch, and its place in the file, both from 1.
    batch integer not null,
    place integer not null,
    batch_name text not null,
    collect_on text not null,
    scheme text not null constraint debit_scheme check (scheme in ('core', 'b2b')),
    sequence text not null constraint debit_sequence check (sequence in ('FRST', 'RCUR', 'OOFF')),
    mandate text not null,
    signed_on text not null,
    debtor_name text not null,
    debtor_iban text not null,
    debtor_bic text,
    words text not null,
    constraint debit_place_unique unique (file, place)
) strict;
create index debit_batch on debit (batch_name);
create index debit_mandate on debit (mandate, collect_on);
-- Names and accounts may go, when a person is forgotten.
create trigger debit_refuses_update before update of attempt, file, batch, place, batch_name, collect_on, scheme, sequence, mandate, signed_on on debit
begin
    select raise(abort, 'a debit that the bank was asked for does not change');
end;
create trigger debit_refuses_delete before delete on debit
begin
    select raise(abort, 'a debit that the bank was asked for is not deleted');
end;

-- What banks have said of our files (pain.002); account statements have a table of their own.
create table debit_report (
    hash text not null primary key,
    name text not null,
    imported_at text not null,
    actor text not null
) strict;
create trigger debit_report_refuses_update before update on debit_report
begin
    select raise(abort, 'what a bank has said does not change');
end;
create trigger debit_report_refuses_delete before delete on debit_report
begin
    select raise(abort, 'what a bank has said is not deleted');
end;

create table debit_return (
    attempt blob not null primary key constraint debit_return_attempt_fk references debit (attempt),
    -- Hash of the file in which the bank told of it.
    told_in text not null,
    code text not null,
    returned_on text not null,
    fee_minor integer not null constraint debit_return_fee check (fee_minor >= 0)
) strict;
create trigger debit_return_refuses_update before update on debit_return
begin
    select raise(abort, 'what a bank has said does not change');
end;
create trigger debit_return_refuses_delete before delete on debit_return
begin
    select raise(abort, 'what a bank has said is not deleted');
end;
