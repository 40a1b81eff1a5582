-- Documents and deliveries of booked invoices.
--
-- Keys that make a repeat quiet: invoice and template; invoice, channel and address, with a Message-ID that follows
-- from them.
create table document (
    invoice blob not null constraint document_invoice_fk references invoice (id),
    template text not null,
    path text not null,
    sha256 text not null,
    byte_count integer not null,
    constraint document_pk primary key (invoice, template)
) strict;
create trigger document_refuses_update before update on document
begin
    select raise(abort, 'a document of a booked invoice does not change');
end;
create trigger document_refuses_delete before delete on document
begin
    select raise(abort, 'a document of a booked invoice is not deleted');
end;

create table delivery (
    invoice blob not null constraint delivery_invoice_fk references invoice (id),
    channel text not null,
    address text not null,
    message_id text not null constraint delivery_message_id_unique unique,
    state text not null constraint delivery_state check (state in ('pending', 'sent', 'failed')),
    reason text,
    attempts integer not null default 0,
    due_at text,
    constraint delivery_pk primary key (invoice, channel, address)
) strict;
create index delivery_pending on delivery (due_at) where state = 'pending';
