-- Money that came to the bank account, as the bank says it, and the invoices that it was put on (rules Y6).
--
-- Keys that make a repeat quiet: the hash of a file's bytes; the id of an entry, which follows from what the bank says of it; an
-- entry and an invoice of a placing.
create table bank_file (
    number integer not null primary key,
    hash text not null constraint bank_file_hash_unique unique,
    name text not null,
    format text not null constraint bank_file_format check (format in ('camt.053', 'camt.054', 'csv')),
    entries integer not null,
    imported_at text not null,
    actor text not null
) strict;

create table bank_entry (
    id blob not null primary key,
    number integer not null constraint bank_entry_number_unique unique,
    file integer not null constraint bank_entry_file_fk references bank_file (number),
    account text not null,
    booked_on text not null,
    amount_minor integer not null constraint bank_entry_amount check (amount_minor > 0),
    currency text not null,
    name text,
    sender text,
    reference text,
    words text not null,
    bank_reference text
) strict;
-- Names and words may go, when a person is forgotten.
create trigger bank_entry_refuses_update before update of id, number, file, account, booked_on, amount_minor, currency on bank_entry
begin
    select raise(abort, 'what a bank has said does not change');
end;
create trigger bank_entry_refuses_delete before delete on bank_entry
begin
    select raise(abort, 'what a bank has said is not deleted');
end;

-- What is left of an entry, and why; `proposed` is the invoice that a person is asked about.
create table bank_left (
    entry blob not null primary key constraint bank_left_entry_fk references bank_entry (id),
    left_minor integer not null constraint bank_left_minor check (left_minor >= 0),
    state text not null constraint bank_left_state check (state in ('placed', 'likely', 'open', 'refunded')),
    why text,
    proposed blob constraint bank_left_invoice_fk references invoice (id)
) strict;
create index bank_left_open on bank_left (state) where state in ('likely', 'open');

create table bank_placing (
    entry blob not null constraint bank_placing_entry_fk references bank_entry (id),
    invoice blob not null constraint bank_placing_invoice_fk references invoice (id),
    ordinal integer not null,
    amount_minor integer not null constraint bank_placing_amount check (amount_minor > 0),
    placed_at text not null,
    actor text not null,
    constraint bank_placing_pk primary key (entry, invoice, ordinal)
) strict;
create index bank_placing_invoice on bank_placing (invoice);
create trigger bank_placing_refuses_update before update on bank_placing
begin
    select raise(abort, 'money that was placed stays where it is');
end;
create trigger bank_placing_refuses_delete before delete on bank_placing
begin
    select raise(abort, 'money that was placed stays where it is');
end;
