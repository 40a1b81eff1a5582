-- What payment providers have told of their own accord (webhooks), so that an event that comes again changes nothing.
--
-- Key that makes a repeat quiet: the provider and its own name for the event.
create table provider_event (
    gateway text not null,
    id text not null,
    kind text not null,
    received_at text not null,
    constraint provider_event_pk primary key (gateway, id)
) strict;
