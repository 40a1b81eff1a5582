-- A month that is closed: what the ledger held then, the file that was made of it, and who closed it (rules L8). Nothing posts
-- into it afterwards: the row in `accounting_close` bars it. It is never opened again.
--
-- Key that makes a repeat quiet: the month.
create table accounting_period (
    period text not null primary key,
    open_from text not null constraint accounting_period_open_from_unique unique
        constraint accounting_period_close_fk references accounting_close (open_from),
    entries integer not null,
    last_sequence integer not null,
    last_hash text not null,
    path text not null,
    sha256 text not null,
    totals text not null,
    closed_by text not null,
    closed_at text not null
) strict;
create trigger accounting_period_refuses_update before update on accounting_period
begin
    select raise(abort, 'a closed period stays closed');
end;
create trigger accounting_period_refuses_delete before delete on accounting_period
begin
    select raise(abort, 'a closed period stays closed');
end;
