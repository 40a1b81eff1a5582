-- Invoices that a person has booked and whose first charge, or first dunning step, is not decided yet: whoever is killed in between
-- leaves them to the next dunning morning.
--
-- Key that makes a repeat quiet: the invoice.
create table first_charge (
    invoice blob not null primary key references invoice (id),
    due_on text not null
) strict;
