-- Documents and deliveries of booked invoices.
--
-- Keys that make a repeat quiet: invoice and template; invoice, channel and address, with a Message-ID that follows
-- from them.
create table document (
    invoice uuid not null constraint document_invoice_fk references invoice (id),
    template text collate "C" not null,
    path text collate "C" not null,
    sha256 text collate "C" not null,
    byte_count bigint not null,
    constraint document_pk primary key (invoice, template)
);
create trigger document_refuses_update before update on document
for each row execute function tallybook_refuse('a document of a booked invoice does not change');
create trigger document_refuses_delete before delete on document
for each row execute function tallybook_refuse('a document of a booked invoice is not deleted');

create table delivery (
    invoice uuid not null constraint delivery_invoice_fk references invoice (id),
    channel text collate "C" not null,
    address text collate "C" not null,
    message_id text collate "C" not null constraint delivery_message_id_unique unique,
    state text collate "C" not null constraint delivery_state check (state in ('pending', 'sent', 'failed')),
    reason text collate "C",
    attempts bigint not null default 0,
    due_at timestamptz,
    constraint delivery_pk primary key (invoice, channel, address)
);
create index delivery_pending on delivery (due_at) where state = 'pending';
