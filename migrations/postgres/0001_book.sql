-- The book: who sells, what is sold, to whom, on which terms. Loaded from book files and changed by verbs.
--
-- Each object is its key columns and a JSON body that holds the whole of it: the book is small, read whole per
-- payer, and its shape follows the book file. What is booked from it stands in real columns (0005, 0006).
-- Keys that make a repeated load quiet: (kind, key) of an object's content hash (rules.md S6).

create function tallybook_refuse() returns trigger language plpgsql as $$
begin
    raise exception '%', tg_argv[0] using errcode = 'restrict_violation';
end
$$;

-- Small facts about this database, for example the seed of its usage key hashes.
create table meta (
    name text collate "C" not null primary key,
    value text collate "C" not null
);

-- Dense numbers: imports, runs, subscriptions, charges, meters. Taken under the row's lock, so that they become
-- visible in order (rules.md Q5).
create table counter (
    name text collate "C" not null primary key,
    last bigint not null constraint counter_last_positive check (last >= 0)
);

-- One row: raised when the catalogue changes, and added to every payer's own revision. So one update revises all.
create table catalogue_revision (
    one bigint not null primary key constraint catalogue_revision_single check (one = 1),
    revision bigint not null
);
insert into catalogue_revision (one, revision) values (1, 0);

-- Tenant, business units, tax rules, rates, units of measure, families, plans and discounts, one row each.
create table catalogue_part (
    kind text collate "C" not null,
    key text collate "C" not null,
    position bigint not null,
    body jsonb not null,
    constraint catalogue_part_pk primary key (kind, key)
);

-- The hash of what was last loaded, per object.
create table loaded_hash (
    kind text collate "C" not null,
    key text collate "C" not null,
    hash text collate "C" not null,
    constraint loaded_hash_pk primary key (kind, key)
);

-- `payer` is the root of the bill-to-parent tree, itself for most; `revision` counts changes to a root's tree.
create table customer (
    id uuid not null primary key,
    account_number text collate "C" not null constraint customer_account_number_unique unique,
    payer uuid not null,
    parent uuid,
    bill_to_parent boolean not null,
    business_unit text collate "C",
    revision bigint not null,
    body jsonb not null
);
create index customer_payer on customer (payer);
create index customer_parent on customer (parent) where parent is not null;

-- `no` is the subscription's number in the usage store; `plans` lists every plan it has or has had, so that the
-- meters it counts are known without reading its body.
create table subscription (
    id uuid not null primary key,
    number text collate "C" not null constraint subscription_number_unique unique,
    no bigint not null constraint subscription_no_unique unique,
    customer uuid not null constraint subscription_customer_fk references customer (id),
    plans jsonb not null,
    body jsonb not null
);
create index subscription_customer on subscription (customer);

-- Every charge reference that a subscription has had; `no` is its number in the usage store.
create table subscription_charge (
    reference uuid not null primary key,
    subscription uuid not null constraint subscription_charge_subscription_fk references subscription (id),
    sku text collate "C" not null,
    no bigint not null constraint subscription_charge_no_unique unique
);
create index subscription_charge_subscription on subscription_charge (subscription);

-- How often a discount code was applied, and to what: a customer, subscription or charge (rules.md D1).
create table discount_redemption (
    discount uuid not null,
    code text collate "C" not null,
    holder uuid not null,
    customer uuid not null constraint discount_redemption_customer_fk references customer (id),
    applied_on date not null,
    constraint discount_redemption_pk primary key (discount, code, holder, applied_on)
);
create index discount_redemption_customer on discount_redemption (customer);
