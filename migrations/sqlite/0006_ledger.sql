-- The ledger: double entry, append-only (rules.md L1, L2). Workers write entries unsealed; one sealer gives them a
-- gapless sequence and a hash chain; exports take contiguous ranges of it.
--
-- Keys that make a repeat quiet: (document, kind, ordinal) of an entry; the sequence and the entry of a seal; the
-- first sequence of an export.
create table ledger_entry (
    id blob not null primary key,
    invoice blob not null,
    kind text not null,
    ordinal integer not null,
    run blob,
    document_number text not null,
    account_number text not null,
    document_date text not null,
    posting_date text not null,
    currency text not null,
    constraint ledger_entry_key unique (invoice, kind, ordinal)
) strict;
create index ledger_entry_posting_date on ledger_entry (posting_date);
create trigger ledger_entry_refuses_update before update on ledger_entry
begin
    select raise(abort, 'the ledger is append-only');
end;
create trigger ledger_entry_refuses_delete before delete on ledger_entry
begin
    select raise(abort, 'the ledger is append-only');
end;

create table ledger_posting (
    entry blob not null constraint ledger_posting_entry_fk references ledger_entry (id),
    number integer not null,
    account text not null,
    debit_minor integer not null,
    credit_minor integer not null,
    line blob,
    sku text,
    unit_code text,
    period_start text,
    period_end text,
    tax_category text,
    tax_pct text,
    constraint ledger_posting_pk primary key (entry, number),
    constraint ledger_posting_one_side check (debit_minor >= 0 and credit_minor >= 0 and (debit_minor = 0) <> (credit_minor = 0))
) strict;
create index ledger_posting_account on ledger_posting (account);
create trigger ledger_posting_refuses_update before update on ledger_posting
begin
    select raise(abort, 'the ledger is append-only');
end;
create trigger ledger_posting_refuses_delete before delete on ledger_posting
begin
    select raise(abort, 'the ledger is append-only');
end;

-- Entries that wait for the sealer. A row appears with the entry and goes with its seal.
create table ledger_unsealed (
    entry blob not null primary key constraint ledger_unsealed_entry_fk references ledger_entry (id)
) strict;
create trigger ledger_entry_awaits_seal after insert on ledger_entry
begin
    insert into ledger_unsealed (entry) values (new.id);
end;

create table ledger_seal (
    sequence integer not null primary key constraint ledger_seal_sequence check (sequence >= 1),
    entry blob not null constraint ledger_seal_entry_unique unique constraint ledger_seal_entry_fk references ledger_entry (id),
    previous_hash text not null,
    hash text not null
) strict;
create trigger ledger_seal_refuses_update before update on ledger_seal
begin
    select raise(abort, 'the chain is append-only');
end;
create trigger ledger_seal_refuses_delete before delete on ledger_seal
begin
    select raise(abort, 'the chain is append-only');
end;

-- Closed accounting periods: nothing posts before `open_from` (rules.md L2). The latest row holds.
create table accounting_close (
    open_from text not null primary key,
    closed_at text not null
) strict;
create trigger accounting_close_refuses_update before update on accounting_close
begin
    select raise(abort, 'a closed period stays closed');
end;
create trigger accounting_close_refuses_delete before delete on accounting_close
begin
    select raise(abort, 'a closed period stays closed');
end;
create trigger ledger_entry_refuses_closed before insert on ledger_entry
when new.posting_date < (select max(open_from) from accounting_close)
begin
    select raise(abort, 'the accounting period of this entry is closed');
end;

-- Marked exports (rules.md L3): their ranges tile the sequence from 1.
create table ledger_export (
    ordinal integer not null primary key,
    format text not null,
    first_sequence integer not null constraint ledger_export_first_unique unique,
    last_sequence integer not null constraint ledger_export_last_unique unique,
    last_hash text not null,
    path text not null,
    sha256 text not null,
    manifest text not null,
    exported_at text not null,
    constraint ledger_export_range check (first_sequence <= last_sequence)
) strict;
create trigger ledger_export_refuses_update before update on ledger_export
begin
    select raise(abort, 'an export mark does not change');
end;
create trigger ledger_export_refuses_delete before delete on ledger_export
begin
    select raise(abort, 'an export mark is not deleted');
end;
