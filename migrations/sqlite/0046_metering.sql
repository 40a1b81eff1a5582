-- Zuplo's metering: buckets, plans that carry quotas, subscriptions to them, and the usage of what nothing bills. Usage of
-- what is billed is in the usage store, with all other.
--
-- Keys that make a repeat quiet: the caller's own id of a plan or subscription within its bucket; the id of an event.
create table metering_bucket (
    id text not null primary key,
    label text,
    created_at text not null,
    updated_at text not null
) strict;

create table metering_plan (
    id text not null primary key,
    bucket text not null constraint metering_plan_bucket references metering_bucket (id),
    external_id text not null,
    body text not null,
    created_at text not null,
    updated_at text not null,
    constraint metering_plan_external unique (bucket, external_id)
) strict;

create table metering_subscription (
    id text not null primary key,
    bucket text not null constraint metering_subscription_bucket references metering_bucket (id),
    external_id text not null,
    body text not null,
    created_at text not null,
    updated_at text not null,
    deleted_at text
) strict;
create unique index metering_subscription_external
    on metering_subscription (bucket, external_id)
    where deleted_at is null;

create table metering_event (
    bucket text not null,
    id text not null,
    subscription text not null,
    meter text not null,
    amount integer not null,
    at text not null,
    constraint metering_event_pk primary key (bucket, id)
) strict;
create index metering_event_at on metering_event (subscription, at);
