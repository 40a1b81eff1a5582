-- The last act of the subscription that a billed line was billed with (rules R4): an act of the same day with a later
-- number came after the run, and the next run bills what it changes. Null on lines of versions that did not note it.
alter table billed_line add column acts_seen integer;
