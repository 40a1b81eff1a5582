-- A delivery is claimed before it is sent, so that two processes never send the same mail; a claim ends by itself.
-- What reaches nobody stays on the list of open items until a person, or another address, has closed it.
--
-- Key that makes a repeat quiet: the delivery's own (invoice, channel, address).
alter table delivery add column claimed_by text;
alter table delivery add column claimed_until text;
-- Day and reason from which nothing more is asked of a delivery that was not sent.
alter table delivery add column closed_on text;
alter table delivery add column closed_why text;
create index delivery_refused on delivery (invoice) where state = 'failed' and closed_on is null;
