-- Up to which day deferred revenue has been recognised; the latest row holds (rules L1). A credit note takes from revenue what
-- was recognised by then.
--
-- Key that makes a repeat quiet: the day; an entry of recognition is keyed by its document and month.
create table recognition (
    recognized_until text not null primary key,
    recognized_at text not null
) strict;
create trigger recognition_refuses_update before update on recognition
begin
    select raise(abort, 'what was recognised stays');
end;
create trigger recognition_refuses_delete before delete on recognition
begin
    select raise(abort, 'what was recognised stays');
end;
