-- Who is told what has changed, what is to be told, and what became of each telling. A row of the outbox is written in the
-- transaction of the change, with one delivery for each endpoint that wants it; without endpoints nothing is written.
--
-- Key that makes a repeat quiet: (endpoint, event); a receiver knows an event by its id, which is the same on each try.
create table webhook (
    id blob not null primary key,
    url text not null,
    description text,
    events text not null,
    is_active integer not null,
    secret text not null,
    former_secret text,
    former_until text,
    token text not null,
    created_at text not null,
    created_by text not null,
    failing_since text,
    disabled_why text
) strict;

create table outbox (
    sequence integer not null primary key autoincrement,
    id blob not null constraint outbox_id_unique unique,
    type text not null,
    action text not null,
    object blob not null,
    at text not null default (strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now'))
) strict;
create index outbox_at on outbox (at);

create table webhook_delivery (
    webhook blob not null,
    sequence integer not null,
    object blob not null,
    state text not null constraint webhook_delivery_state check (state in ('pending', 'delivered', 'given_up')),
    attempts integer not null default 0,
    next_at text not null,
    first_at text,
    answered_at text,
    status integer,
    error text,
    claimed_until text,
    constraint webhook_delivery_pk primary key (webhook, sequence)
) strict;
create index webhook_delivery_pending on webhook_delivery (webhook, object, sequence) where state = 'pending';
