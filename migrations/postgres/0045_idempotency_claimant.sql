-- Which process works on a request, so that a repeat need not wait for one that has died.
alter table idempotency add column claimed_by text collate "C";
