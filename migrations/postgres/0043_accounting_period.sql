-- A month that is closed: what the ledger held then, the file that was made of it, and who closed it (rules L8). Nothing posts
-- into it afterwards: the row in `accounting_close` bars it. It is never opened again.
--
-- Key that makes a repeat quiet: the month.
create table accounting_period (
    period text collate "C" not null primary key,
    open_from date not null constraint accounting_period_open_from_unique unique
        constraint accounting_period_close_fk references accounting_close (open_from),
    entries bigint not null,
    last_sequence bigint not null,
    last_hash text collate "C" not null,
    path text collate "C" not null,
    sha256 text collate "C" not null,
    totals jsonb not null,
    closed_by text collate "C" not null,
    closed_at timestamptz not null
);
create trigger accounting_period_refuses_update before update on accounting_period
for each row execute function tallybook_refuse('a closed period stays closed');
create trigger accounting_period_refuses_delete before delete on accounting_period
for each row execute function tallybook_refuse('a closed period stays closed');
