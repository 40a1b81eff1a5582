-- A refund that a provider is asked for, for as long as it has no answer: the row is committed before the provider is called,
-- and goes with the answer. Its id is the provider's key.
--
-- Keys that make a repeat quiet: the id; one refund at a time per document.
create table refund_asked (
    id uuid not null primary key,
    invoice uuid not null constraint refund_asked_invoice_key unique constraint refund_asked_invoice_fk references invoice (id),
    charge uuid not null constraint refund_asked_charge_fk references payment_attempt (id),
    amount_minor bigint not null constraint refund_asked_amount check (amount_minor > 0),
    asked_on date not null
);
