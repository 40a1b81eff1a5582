-- Drafts set aside are found by their payer when it is billed again.
create index draft_aside on draft (payer) where state = 'set_aside';
