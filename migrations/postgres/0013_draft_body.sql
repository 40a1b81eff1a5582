-- A draft's content in a table of its own: ranking and booking write every draft of a run, and no longer its content
-- with it.
create table draft_body (
    draft uuid not null primary key constraint draft_body_draft_fk references draft (id) on delete cascade,
    body jsonb not null
);
insert into draft_body (draft, body) select id, body from draft;
alter table draft drop column body;
