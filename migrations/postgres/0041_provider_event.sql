-- What payment providers have told of their own accord (webhooks), so that an event that comes again changes nothing.
--
-- Key that makes a repeat quiet: the provider and its own name for the event.
create table provider_event (
    gateway text collate "C" not null,
    id text collate "C" not null,
    kind text collate "C" not null,
    received_at timestamptz not null,
    constraint provider_event_pk primary key (gateway, id)
);
