-- People name a draft by the end of its id: the beginning is the run's, and the same for all of its drafts.
create index draft_ending on draft (right(id::text, 8)) where state in ('open', 'set_aside');
