-- A draft's content is packed, and dropped when the draft is booked: the invoice holds all of it.
delete from draft_body using draft where draft.id = draft_body.draft and draft.state = 'booked';
alter table draft_body alter column body drop not null;
alter table draft_body add column packed bytea;
alter table draft_body add constraint draft_body_one_ck check ((packed is null) <> (body is null));
