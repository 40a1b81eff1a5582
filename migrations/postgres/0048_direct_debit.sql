-- Direct debits (rules Y8): invoices that wait for the bank's next file, the files, the debits in them, and those that came
-- back. A file is made of these rows alone, so that it can be made again byte for byte.
--
-- Keys that make a repeat quiet: the invoice that waits; the attempt of a debit, which is in one file; one return per attempt. A
-- file whose bytes were not written stays `made`, and is written by whoever makes the next one.
create table debit_asked (
    invoice uuid not null primary key constraint debit_asked_invoice_fk references invoice (id),
    asked_on date not null
);

create table debit_file (
    number bigint not null primary key,
    message text collate "C" not null constraint debit_file_message_unique unique,
    version text collate "C" not null,
    created_at timestamptz not null,
    as_of date not null,
    actor text collate "C" not null,
    creditor_name text collate "C" not null,
    creditor_iban text collate "C" not null,
    creditor_bic text collate "C",
    creditor_id text collate "C" not null,
    debits bigint not null,
    sum_minor bigint not null,
    sha256 text collate "C" not null,
    state text collate "C" not null constraint debit_file_state check (state in ('made', 'written'))
);
create index debit_file_unwritten on debit_file (number) where state = 'made';
create trigger debit_file_refuses_update before update on debit_file
for each row when (not (old.state = 'made' and new.state = 'written' and old.number = new.number and old.sha256 = new.sha256
                        and old.message = new.message))
execute function tallybook_refuse('a file for the bank does not change');
create trigger debit_file_refuses_delete before delete on debit_file
for each row execute function tallybook_refuse('a file for the bank is not deleted');

create table debit (
    attempt uuid not null primary key constraint debit_attempt_fk references payment_attempt (id),
    file bigint not null constraint debit_file_fk references debit_file (number),
    -- Its batch, and its place in the file, both from 1.
    batch bigint not null,
    place bigint not null,
    batch_name text collate "C" not null,
    collect_on date not null,
    scheme text collate "C" not null constraint debit_scheme check (scheme in ('core', 'b2b')),
    sequence text collate "C" not null constraint debit_sequence check (sequence in ('FRST', 'RCUR', 'OOFF')),
    mandate text collate "C" not null,
    signed_on date not null,
    debtor_name text collate "C" not null,
    debtor_iban text collate "C" not null,
    debtor_bic text collate "C",
    words text collate "C" not null,
    constraint debit_place_unique unique (file, place)
);
create index debit_batch on debit (batch_name);
create index debit_mandate on debit (mandate, collect_on);
-- Names and accounts may go, when a person is forgotten.
create trigger debit_refuses_update before update of attempt, file, batch, place, batch_name, collect_on, scheme, sequence, mandate, signed_on on debit
for each row execute function tallybook_refuse('a debit that the bank was asked for does not change');
create trigger debit_refuses_delete before delete on debit
for each row execute function tallybook_refuse('a debit that the bank was asked for is not deleted');

-- What banks have said of our files (pain.002); account statements have a table of their own.
create table debit_report (
    hash text collate "C" not null primary key,
    name text collate "C" not null,
    imported_at timestamptz not null,
    actor text collate "C" not null
);
create trigger debit_report_refuses_update before update on debit_report
for each row execute function tallybook_refuse('what a bank has said does not change');
create trigger debit_report_refuses_delete before delete on debit_report
for each row execute function tallybook_refuse('what a bank has said is not deleted');

create table debit_return (
    attempt uuid not null primary key constraint debit_return_attempt_fk references debit (attempt),
    -- Hash of the file in which the bank told of it.
    told_in text collate "C" not null,
    code text collate "C" not null,
    returned_on date not null,
    fee_minor bigint not null constraint debit_return_fee check (fee_minor >= 0)
);
create trigger debit_return_refuses_update before update on debit_return
for each row execute function tallybook_refuse('what a bank has said does not change');
create trigger debit_return_refuses_delete before delete on debit_return
for each row execute function tallybook_refuse('what a bank has said is not deleted');
