-- Up to which day deferred revenue has been recognised; the latest row holds (rules L1). A credit note takes from revenue what
-- was recognised by then.
--
-- Key that makes a repeat quiet: the day; an entry of recognition is keyed by its document and month.
create table recognition (
    recognized_until date not null primary key,
    recognized_at timestamptz not null
);
create trigger recognition_refuses_update before update on recognition
for each row execute function tallybook_refuse('what was recognised stays');
create trigger recognition_refuses_delete before delete on recognition
for each row execute function tallybook_refuse('what was recognised stays');
