-- What was asked under an Idempotency-Key, and what was answered. The row is claimed before the request is worked on, marked
-- in the transaction of its effect, with the id of what it makes, and holds the answer afterwards: whoever repeats the request gets it again, and a
-- process that died between the two leaves behind whether the effect is there.
--
-- Key that makes a repeat quiet: the API key and the Idempotency-Key.
create table idempotency (
    api_key uuid not null,
    key uuid not null,
    fingerprint text collate "C" not null,
    claim uuid not null,
    state text collate "C" not null constraint idempotency_state check (state in ('running', 'effected', 'answered')),
    claimed_at timestamptz not null,
    made uuid,
    status bigint,
    headers jsonb,
    body text collate "C",
    constraint idempotency_pk primary key (api_key, key)
);
create index idempotency_claimed on idempotency (claimed_at);
