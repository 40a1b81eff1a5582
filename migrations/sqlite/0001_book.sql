-- The book: who sells, what is sold, to whom, on which terms. Loaded from book files and changed by verbs.
--
-- Each object is its key columns and a JSON body that holds the whole of it: the book is small, read whole per
-- payer, and its shape follows the book file. What is booked from it stands in real columns (0005, 0006).
-- Keys that make a repeated load quiet: (kind, key) of an object's content hash (rules.md S6).

-- Small facts about this database, for example the seed of its usage key hashes.
create table meta (
    name text not null primary key,
    value text not null
) strict;

-- Dense numbers: imports, runs, subscriptions, charges, meters. Taken under the row's lock, so that they become
-- visible in order (rules.md Q5).
create table counter (
    name text not null primary key,
    last integer not null constraint counter_last_positive check (last >= 0)
) strict;

-- One row: raised when the catalogue changes, and added to every payer's own revision. So one update revises all.
create table catalogue_revision (
    one integer not null primary key constraint catalogue_revision_single check (one = 1),
    revision integer not null
) strict;
insert into catalogue_revision (one, revision) values (1, 0);

-- Tenant, business units, tax rules, rates, units of measure, families, plans and discounts, one row each.
create table catalogue_part (
    kind text not null,
    key text not null,
    position integer not null,
    body text not null,
    constraint catalogue_part_pk primary key (kind, key)
) strict;

-- The hash of what was last loaded, per object.
create table loaded_hash (
    kind text not null,
    key text not null,
    hash text not null,
    constraint loaded_hash_pk primary key (kind, key)
) strict;

-- `payer` is the root of the bill-to-parent tree, itself for most; `revision` counts changes to a root's tree.
create table customer (
    id blob not null primary key,
    account_number text not null constraint customer_account_number_unique unique,
    payer blob not null,
    parent blob,
    bill_to_parent integer not null,
    business_unit text,
    revision integer not null,
    body text not null
) strict;
create index customer_payer on customer (payer);
create index customer_parent on customer (parent) where parent is not null;

-- `no` is the subscription's number in the usage store; `plans` lists every plan it has or has had, so that the
-- meters it counts are known without reading its body.
create table subscription (
    id blob not null primary key,
    number text not null constraint subscription_number_unique unique,
    no integer not null constraint subscription_no_unique unique,
    customer blob not null constraint subscription_customer_fk references customer (id),
    plans text not null,
    body text not null
) strict;
create index subscription_customer on subscription (customer);

-- Every charge reference that a subscription has had; `no` is its number in the usage store.
create table subscription_charge (
    reference blob not null primary key,
    subscription blob not null constraint subscription_charge_subscription_fk references subscription (id),
    sku text not null,
    no integer not null constraint subscription_charge_no_unique unique
) strict;
create index subscription_charge_subscription on subscription_charge (subscription);

-- How often a discount code was applied, and to what: a customer, subscription or charge (rules.md D1).
create table discount_redemption (
    discount blob not null,
    code text not null,
    holder blob not null,
    customer blob not null constraint discount_redemption_customer_fk references customer (id),
    applied_on text not null,
    constraint discount_redemption_pk primary key (discount, code, holder, applied_on)
) strict;
create index discount_redemption_customer on discount_redemption (customer);
