-- The journal: who did what to which object, in the transaction that did it. Append-only.
create table journal (
    ordinal integer not null primary key,
    at text not null,
    actor text not null,
    action text not null,
    object text not null,
    detail text not null
) strict;
create index journal_object on journal (object);
create trigger journal_refuses_update before update on journal
begin
    select raise(abort, 'the journal is append-only');
end;
create trigger journal_refuses_delete before delete on journal
begin
    select raise(abort, 'the journal is append-only');
end;
