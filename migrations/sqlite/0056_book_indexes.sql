-- A large book is loaded as fast as its indexes are written, and most of them are over hashes. What can be found otherwise has
-- none any more: a customer or subscription by its id (its own table has that), and the charges of a subscription (its
-- body names them). Objects come in the order of a number, where a load gave all of them the same instant.
drop index book_object_id;
create index book_object_id on book_object (id) where status <> 1 or kind not in ('customers', 'subscriptions');

alter table book_object add column came integer not null default 0;
update book_object
set came = placed.came
from (select kind, key, row_number() over (order by created_at, id, kind, key) as came from book_object) placed
where placed.kind = book_object.kind and placed.key = book_object.key;
insert into counter (name, last)
select 'book_object', count(*)
from book_object;
drop index book_object_came;
create index book_object_came on book_object (kind, came, id) where status < 1024;

create table subscription_charge_by_number (
    reference blob not null constraint subscription_charge_reference_unique unique,
    subscription blob not null,
    sku text not null,
    no integer not null primary key
) strict;
insert into subscription_charge_by_number (reference, subscription, sku, no)
select reference, subscription, sku, no
from subscription_charge
order by no;
drop table subscription_charge;
alter table subscription_charge_by_number rename to subscription_charge;

-- What refers to a row is checked when everything is written: a statement of many rows that may stop half-way keeps a copy
-- of every page that it changes.
create table subscription_by_number (
    id blob not null constraint subscription_id_unique unique,
    number text not null constraint subscription_number_unique unique,
    no integer not null primary key,
    customer blob not null constraint subscription_customer_fk references customer (id) deferrable initially deferred,
    plans text not null,
    body text not null
) strict;
insert into subscription_by_number (id, number, no, customer, plans, body)
select id, number, no, customer, plans, body
from subscription
order by no;
drop table subscription;
alter table subscription_by_number rename to subscription;
create index subscription_customer on subscription (customer);
