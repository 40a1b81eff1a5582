-- A large book is loaded as fast as its indexes are written, and most of them are over hashes. What can be found otherwise has
-- none any more: a customer or subscription by its id (its own table has that), and the charges of a subscription (its
-- body names them). Objects come in the order of a number, where a load gave all of them the same instant.
drop index book_object_id;
create index book_object_id on book_object (id) where status <> 1 or kind not in ('customers', 'subscriptions');

alter table book_object add column came bigint not null default 0;
update book_object
set came = placed.came
from (select kind, key, row_number() over (order by created_at nulls first, id, kind, key) as came from book_object) placed
where placed.kind = book_object.kind and placed.key = book_object.key;
insert into counter (name, last)
select 'book_object', count(*)
from book_object;
drop index book_object_came;
create index book_object_came on book_object (kind, came, id) where status < 1024;

alter table subscription_charge drop constraint subscription_charge_subscription_fk;
drop index subscription_charge_subscription;
