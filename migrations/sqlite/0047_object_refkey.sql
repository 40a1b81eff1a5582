-- Names that callers give to invoices that they write, and to charges of subscriptions: found by them, and shown with them.
--
-- Key that makes a repeat quiet: the object that is named.
create table object_refkey (
    object blob not null primary key,
    kind text not null constraint object_refkey_kind check (kind in ('invoice', 'charge')),
    owner blob not null,
    refkey text not null
) strict;
create index object_refkey_refkey on object_refkey (kind, refkey);
create index object_refkey_owner on object_refkey (owner);
