-- A draft's content is packed, and dropped when the draft is booked: the invoice holds all of it.
create table draft_content (
    draft blob not null primary key constraint draft_body_draft_fk references draft (id) on delete cascade,
    body text,
    packed blob,
    constraint draft_body_one_ck check ((packed is null) <> (body is null))
) strict;
insert into draft_content (draft, body)
select b.draft, b.body
from draft_body b
join draft d on d.id = b.draft
where d.state <> 'booked';
drop table draft_body;
alter table draft_content rename to draft_body;
