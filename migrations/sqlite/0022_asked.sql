-- What a charge was asked with, for as long as it has no answer: the payer's card may be another one by then. The row
-- goes with the answer.
--
-- Key that makes a repeat quiet: the attempt.
create table charge_asked (
    attempt blob not null primary key constraint charge_asked_attempt_fk references payment_attempt (id),
    token text not null
) strict;
