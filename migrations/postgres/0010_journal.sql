-- The journal: who did what to which object, in the transaction that did it. Append-only.
create table journal (
    ordinal bigint not null primary key,
    at timestamptz not null,
    actor text collate "C" not null,
    action text collate "C" not null,
    object text collate "C" not null,
    detail jsonb not null
);
create index journal_object on journal (object);
create trigger journal_refuses_update before update on journal
for each row execute function tallybook_refuse('the journal is append-only');
create trigger journal_refuses_delete before delete on journal
for each row execute function tallybook_refuse('the journal is append-only');
