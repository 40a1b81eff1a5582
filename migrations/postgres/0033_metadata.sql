-- What programs keep with customers, plans and subscriptions: texts by key, of no use to billing.
--
-- Key that makes a repeat quiet: (object, key).
create table metadata (
    id uuid not null primary key,
    kind text collate "C" not null,
    object uuid not null,
    key text collate "C" not null,
    value text collate "C" not null,
    created_at timestamptz not null,
    created_by text collate "C" not null,
    modified_at timestamptz not null,
    modified_by text collate "C" not null,
    constraint metadata_key_unique unique (object, key)
);
create index metadata_by_key on metadata (kind, key);

-- Pages of a list are in the order in which objects came.
create index book_object_came on book_object (kind, created_at nulls first, id);
