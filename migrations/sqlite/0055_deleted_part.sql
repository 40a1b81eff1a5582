-- Contacts and payment methods that were deleted, as they were answered last: their ids go on answering. Erasing the customer takes
-- them away.
--
-- Key that makes a repeat quiet: the part that was deleted.
create table deleted_part (
    id blob not null primary key,
    customer blob not null,
    record text not null
) strict;
create index deleted_part_customer on deleted_part (customer);
