-- Attempts to collect. The row is committed before the provider is called, and its id is the provider's idempotency
-- key: after a time-out the same id is asked again, never a new one (rules.md Y1).
--
-- Keys that make a repeat quiet: the attempt's id; (invoice, ordinal); one pending attempt per invoice.
create table payment_attempt (
    id uuid not null primary key,
    invoice uuid not null constraint payment_attempt_invoice_fk references invoice (id),
    customer uuid not null,
    ordinal bigint not null,
    amount_minor bigint not null,
    currency text collate "C" not null,
    method text collate "C" not null,
    gateway text collate "C" not null,
    attempted_on date not null,
    state text collate "C" not null constraint payment_attempt_state check (state in ('pending', 'paid', 'soft_decline', 'hard_decline', 'technical')),
    provider_reference text collate "C",
    decline_code text collate "C",
    fee_minor bigint not null,
    constraint payment_attempt_ordinal_unique unique (invoice, ordinal)
);
create unique index payment_attempt_pending on payment_attempt (invoice) where state = 'pending';
create index payment_attempt_method on payment_attempt (customer, method, attempted_on);
create trigger payment_attempt_refuses_update before update on payment_attempt
for each row when (old.state <> 'pending') execute function tallybook_refuse('an answered attempt does not change');
create trigger payment_attempt_refuses_delete before delete on payment_attempt
for each row execute function tallybook_refuse('an attempt is not deleted');

-- Methods that must not be tried again (rules.md Y2).
create table unhealthy_method (
    customer uuid not null,
    method text collate "C" not null,
    since date not null,
    reason text collate "C" not null,
    constraint unhealthy_method_pk primary key (customer, method)
);
