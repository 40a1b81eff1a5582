-- Zuplo's metering: buckets, plans that carry quotas, subscriptions to them, and the usage of what nothing bills. Usage of
-- what is billed is in the usage store, with all other.
--
-- Keys that make a repeat quiet: the caller's own id of a plan or subscription within its bucket; the id of an event.
create table metering_bucket (
    id text collate "C" not null primary key,
    label text collate "C",
    created_at timestamptz not null,
    updated_at timestamptz not null
);

create table metering_plan (
    id text collate "C" not null primary key,
    bucket text collate "C" not null constraint metering_plan_bucket references metering_bucket (id),
    external_id text collate "C" not null,
    body jsonb not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    constraint metering_plan_external unique (bucket, external_id)
);

create table metering_subscription (
    id text collate "C" not null primary key,
    bucket text collate "C" not null constraint metering_subscription_bucket references metering_bucket (id),
    external_id text collate "C" not null,
    body jsonb not null,
    created_at timestamptz not null,
    updated_at timestamptz not null,
    deleted_at timestamptz
);
create unique index metering_subscription_external
    on metering_subscription (bucket, external_id)
    where deleted_at is null;

create table metering_event (
    bucket text collate "C" not null,
    id text collate "C" not null,
    subscription text collate "C" not null,
    meter text collate "C" not null,
    amount bigint not null,
    at timestamptz not null,
    constraint metering_event_pk primary key (bucket, id)
);
create index metering_event_at on metering_event (subscription, at);
