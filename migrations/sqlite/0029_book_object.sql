-- One object of the book: what was written of it, under one name for each field, since when and by whom, and whether it is
-- still offered (status 1), for nothing new any more (7) or deleted (1024: in no list, its name stays taken).
--
-- Key that makes a repeated load quiet: (kind, key) with the hash of what was loaded last (rules S6); none if what was
-- written last came from elsewhere. Of objects of earlier versions it is not known when they came; the program writes their
-- documents from what is stored when it opens the books for the first time.
create table book_object (
    kind text not null,
    key text not null,
    id blob not null,
    document text not null,
    hash text not null,
    loaded_hash text,
    status integer not null constraint book_object_status_known check (status in (1, 7, 1024)),
    created_at text,
    created_by text,
    modified_at text,
    modified_by text,
    constraint book_object_pk primary key (kind, key)
) strict;
create index book_object_id on book_object (id);
create index book_object_set_aside on book_object (kind, key) where status <> 1;

insert into book_object (kind, key, id, document, hash, loaded_hash, status)
select kind, key, x'', '', hash, hash, 1
from loaded_hash;
insert into meta (name, value)
select 'book_documents', 'to be written'
where exists (select 1 from book_object);
drop table loaded_hash;
