-- What was asked under an Idempotency-Key, and what was answered. The row is claimed before the request is worked on, marked
-- in the transaction of its effect, with the id of what it makes, and holds the answer afterwards: whoever repeats the request gets it again, and a
-- process that died between the two leaves behind whether the effect is there.
--
-- Key that makes a repeat quiet: the API key and the Idempotency-Key.
create table idempotency (
    api_key blob not null,
    key blob not null,
    fingerprint text not null,
    claim blob not null,
    state text not null constraint idempotency_state check (state in ('running', 'effected', 'answered')),
    claimed_at text not null,
    made blob,
    status integer,
    headers text,
    body text,
    constraint idempotency_pk primary key (api_key, key)
) strict;
create index idempotency_claimed on idempotency (claimed_at);
