-- Attempts to collect. The row is committed before the provider is called, and its id is the provider's idempotency
-- key: after a time-out the same id is asked again, never a new one (rules.md Y1).
--
-- Keys that make a repeat quiet: the attempt's id; (invoice, ordinal); one pending attempt per invoice.
create table payment_attempt (
    id blob not null primary key,
    invoice blob not null constraint payment_attempt_invoice_fk references invoice (id),
    customer blob not null,
    ordinal integer not null,
    amount_minor integer not null,
    currency text not null,
    method text not null,
    gateway text not null,
    attempted_on text not null,
    state text not null constraint payment_attempt_state check (state in ('pending', 'paid', 'soft_decline', 'hard_decline', 'technical')),
    provider_reference text,
    decline_code text,
    fee_minor integer not null,
    constraint payment_attempt_ordinal_unique unique (invoice, ordinal)
) strict;
create unique index payment_attempt_pending on payment_attempt (invoice) where state = 'pending';
create index payment_attempt_method on payment_attempt (customer, method, attempted_on);
create trigger payment_attempt_refuses_update before update on payment_attempt
when old.state <> 'pending'
begin
    select raise(abort, 'an answered attempt does not change');
end;
create trigger payment_attempt_refuses_delete before delete on payment_attempt
begin
    select raise(abort, 'an attempt is not deleted');
end;

-- Methods that must not be tried again (rules.md Y2).
create table unhealthy_method (
    customer blob not null,
    method text not null,
    since text not null,
    reason text not null,
    constraint unhealthy_method_pk primary key (customer, method)
) strict;
