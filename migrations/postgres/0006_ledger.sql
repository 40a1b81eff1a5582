-- The ledger: double entry, append-only (rules.md L1, L2). Workers write entries unsealed; one sealer gives them a
-- gapless sequence and a hash chain; exports take contiguous ranges of it.
--
-- Keys that make a repeat quiet: (document, kind, ordinal) of an entry; the sequence and the entry of a seal; the
-- first sequence of an export.
create table ledger_entry (
    id uuid not null primary key,
    invoice uuid not null,
    kind text collate "C" not null,
    ordinal bigint not null,
    run uuid,
    document_number text collate "C" not null,
    account_number text collate "C" not null,
    document_date date not null,
    posting_date date not null,
    currency text collate "C" not null,
    constraint ledger_entry_key unique (invoice, kind, ordinal)
);
create index ledger_entry_posting_date on ledger_entry (posting_date);
create trigger ledger_entry_refuses_update before update on ledger_entry
for each row execute function tallybook_refuse('the ledger is append-only');
create trigger ledger_entry_refuses_delete before delete on ledger_entry
for each row execute function tallybook_refuse('the ledger is append-only');

create table ledger_posting (
    entry uuid not null constraint ledger_posting_entry_fk references ledger_entry (id),
    number bigint not null,
    account text collate "C" not null,
    debit_minor bigint not null,
    credit_minor bigint not null,
    line uuid,
    sku text collate "C",
    unit_code text collate "C",
    period_start date,
    period_end date,
    tax_category text collate "C",
    tax_pct numeric,
    constraint ledger_posting_pk primary key (entry, number),
    constraint ledger_posting_one_side check (debit_minor >= 0 and credit_minor >= 0 and (debit_minor = 0) <> (credit_minor = 0))
);
create index ledger_posting_account on ledger_posting (account);
create trigger ledger_posting_refuses_update before update on ledger_posting
for each row execute function tallybook_refuse('the ledger is append-only');
create trigger ledger_posting_refuses_delete before delete on ledger_posting
for each row execute function tallybook_refuse('the ledger is append-only');

-- Entries that wait for the sealer. A row appears with the entry and goes with its seal.
create table ledger_unsealed (
    entry uuid not null primary key constraint ledger_unsealed_entry_fk references ledger_entry (id)
);
create function ledger_entry_awaits_seal() returns trigger language plpgsql as $$
begin
    insert into ledger_unsealed (entry) values (new.id);
    return new;
end
$$;
create trigger ledger_entry_awaits_seal after insert on ledger_entry
for each row execute function ledger_entry_awaits_seal();

create table ledger_seal (
    sequence bigint not null primary key constraint ledger_seal_sequence check (sequence >= 1),
    entry uuid not null constraint ledger_seal_entry_unique unique constraint ledger_seal_entry_fk references ledger_entry (id),
    previous_hash text collate "C" not null,
    hash text collate "C" not null
);
create trigger ledger_seal_refuses_update before update on ledger_seal
for each row execute function tallybook_refuse('the chain is append-only');
create trigger ledger_seal_refuses_delete before delete on ledger_seal
for each row execute function tallybook_refuse('the chain is append-only');

-- Closed accounting periods: nothing posts before `open_from` (rules.md L2). The latest row holds.
create table accounting_close (
    open_from date not null primary key,
    closed_at timestamptz not null
);
create trigger accounting_close_refuses_update before update on accounting_close
for each row execute function tallybook_refuse('a closed period stays closed');
create trigger accounting_close_refuses_delete before delete on accounting_close
for each row execute function tallybook_refuse('a closed period stays closed');
create function ledger_entry_closed() returns trigger language plpgsql as $$
begin
    if new.posting_date < (select max(open_from) from accounting_close) then
        raise exception 'the accounting period of this entry is closed' using errcode = 'restrict_violation';
    end if;
    return new;
end
$$;
create trigger ledger_entry_refuses_closed before insert on ledger_entry
for each row execute function ledger_entry_closed();

-- Marked exports (rules.md L3): their ranges tile the sequence from 1.
create table ledger_export (
    ordinal bigint not null primary key,
    format text collate "C" not null,
    first_sequence bigint not null constraint ledger_export_first_unique unique,
    last_sequence bigint not null constraint ledger_export_last_unique unique,
    last_hash text collate "C" not null,
    path text collate "C" not null,
    sha256 text collate "C" not null,
    manifest jsonb not null,
    exported_at timestamptz not null,
    constraint ledger_export_range check (first_sequence <= last_sequence)
);
create trigger ledger_export_refuses_update before update on ledger_export
for each row execute function tallybook_refuse('an export mark does not change');
create trigger ledger_export_refuses_delete before delete on ledger_export
for each row execute function tallybook_refuse('an export mark is not deleted');
