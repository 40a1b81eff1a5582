-- Who is told what has changed, what is to be told, and what became of each telling. A row of the outbox is written in the
-- transaction of the change, with one delivery for each endpoint that wants it; without endpoints nothing is written.
--
-- Key that makes a repeat quiet: (endpoint, event); a receiver knows an event by its id, which is the same on each try.
create table webhook (
    id uuid not null primary key,
    url text collate "C" not null,
    description text collate "C",
    events text collate "C" not null,
    is_active boolean not null,
    secret text collate "C" not null,
    former_secret text collate "C",
    former_until timestamptz,
    token text collate "C" not null,
    created_at timestamptz not null,
    created_by text collate "C" not null,
    failing_since timestamptz,
    disabled_why text collate "C"
);

create table outbox (
    sequence bigint generated always as identity primary key,
    id uuid not null constraint outbox_id_unique unique,
    type text collate "C" not null,
    action text collate "C" not null,
    object uuid not null,
    at timestamptz not null default now()
);
create index outbox_at on outbox (at);

create table webhook_delivery (
    webhook uuid not null,
    sequence bigint not null,
    object uuid not null,
    state text collate "C" not null constraint webhook_delivery_state check (state in ('pending', 'delivered', 'given_up')),
    attempts bigint not null default 0,
    next_at timestamptz not null,
    first_at timestamptz,
    answered_at timestamptz,
    status bigint,
    error text collate "C",
    claimed_until timestamptz,
    constraint webhook_delivery_pk primary key (webhook, sequence)
);
create index webhook_delivery_pending on webhook_delivery (webhook, object, sequence) where state = 'pending';
