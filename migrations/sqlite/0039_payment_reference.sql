-- What a payer states with the transfer for an invoice, where the book asks for more than its number: given at booking, made of a
-- number of its own across all series, and never changed.
--
-- Keys that make a repeat quiet: the invoice; the reference, which is unique whatever its kind.
create table payment_reference (
    invoice blob not null primary key constraint payment_reference_invoice_fk references invoice (id),
    kind text not null constraint payment_reference_kind check (kind in ('rf', 'fi71', 'kid', 'kid11', 'ocr', 'finnish')),
    reference text not null constraint payment_reference_unique unique,
    creditor text
) strict;
create trigger payment_reference_refuses_update before update on payment_reference
begin
    select raise(abort, 'the payment reference of a booked invoice does not change');
end;
create trigger payment_reference_refuses_delete before delete on payment_reference
begin
    select raise(abort, 'the payment reference of a booked invoice is not deleted');
end;
