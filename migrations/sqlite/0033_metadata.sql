-- What programs keep with customers, plans and subscriptions: texts by key, of no use to billing.
--
-- Key that makes a repeat quiet: (object, key).
create table metadata (
    id blob not null primary key,
    kind text not null,
    object blob not null,
    key text not null,
    value text not null,
    created_at text not null,
    created_by text not null,
    modified_at text not null,
    modified_by text not null,
    constraint metadata_key_unique unique (object, key)
) strict;
create index metadata_by_key on metadata (kind, key);

-- Pages of a list are in the order in which objects came.
create index book_object_came on book_object (kind, created_at, id);
