-- Money that came to the bank account, as the bank says it, and the invoices that it was put on (rules Y6).
--
-- Keys that make a repeat quiet: the hash of a file's bytes; the id of an entry, which follows from what the bank says of it; an
-- entry and an invoice of a placing.
create table bank_file (
    number bigint not null primary key,
    hash text collate "C" not null constraint bank_file_hash_unique unique,
    name text collate "C" not null,
    format text collate "C" not null constraint bank_file_format check (format in ('camt.053', 'camt.054', 'csv')),
    entries bigint not null,
    imported_at timestamptz not null,
    actor text collate "C" not null
);

create table bank_entry (
    id uuid not null primary key,
    number bigint not null constraint bank_entry_number_unique unique,
    file bigint not null constraint bank_entry_file_fk references bank_file (number),
    account text collate "C" not null,
    booked_on date not null,
    amount_minor bigint not null constraint bank_entry_amount check (amount_minor > 0),
    currency text collate "C" not null,
    name text collate "C",
    sender text collate "C",
    reference text collate "C",
    words text collate "C" not null,
    bank_reference text collate "C"
);
-- Names and words may go, when a person is forgotten.
create trigger bank_entry_refuses_update before update of id, number, file, account, booked_on, amount_minor, currency on bank_entry
for each row execute function tallybook_refuse('what a bank has said does not change');
create trigger bank_entry_refuses_delete before delete on bank_entry
for each row execute function tallybook_refuse('what a bank has said is not deleted');

-- What is left of an entry, and why; `proposed` is the invoice that a person is asked about.
create table bank_left (
    entry uuid not null primary key constraint bank_left_entry_fk references bank_entry (id),
    left_minor bigint not null constraint bank_left_minor check (left_minor >= 0),
    state text collate "C" not null constraint bank_left_state check (state in ('placed', 'likely', 'open', 'refunded')),
    why text collate "C",
    proposed uuid constraint bank_left_invoice_fk references invoice (id)
);
create index bank_left_open on bank_left (state) where state in ('likely', 'open');

create table bank_placing (
    entry uuid not null constraint bank_placing_entry_fk references bank_entry (id),
    invoice uuid not null constraint bank_placing_invoice_fk references invoice (id),
    ordinal bigint not null,
    amount_minor bigint not null constraint bank_placing_amount check (amount_minor > 0),
    placed_at timestamptz not null,
    actor text collate "C" not null,
    constraint bank_placing_pk primary key (entry, invoice, ordinal)
);
create index bank_placing_invoice on bank_placing (invoice);
create trigger bank_placing_refuses_update before update on bank_placing
for each row execute function tallybook_refuse('money that was placed stays where it is');
create trigger bank_placing_refuses_delete before delete on bank_placing
for each row execute function tallybook_refuse('money that was placed stays where it is');
