-- What a payer states with the transfer for an invoice, where the book asks for more than its number: given at booking, made of a
-- number of its own across all series, and never changed.
--
-- Keys that make a repeat quiet: the invoice; the reference, which is unique whatever its kind.
create table payment_reference (
    invoice uuid not null primary key constraint payment_reference_invoice_fk references invoice (id),
    kind text collate "C" not null constraint payment_reference_kind check (kind in ('rf', 'fi71', 'kid', 'kid11', 'ocr', 'finnish')),
    reference text collate "C" not null constraint payment_reference_unique unique,
    creditor text collate "C"
);
create trigger payment_reference_refuses_update before update on payment_reference
for each row execute function tallybook_refuse('the payment reference of a booked invoice does not change');
create trigger payment_reference_refuses_delete before delete on payment_reference
for each row execute function tallybook_refuse('the payment reference of a booked invoice is not deleted');
