//! What the audit log can say: which act was done to which object. The words are a contract: `audit` filters by them.

use crate::book_file::ObjectKind;
use crate::ids::InvoiceId;
use crate::subscription::VerbName;
use std::fmt;
use uuid::Uuid;

/// Something that was done. What was asked for and refused is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    LoadBook,
    PutObject,
    PatchObject,
    DeactivateObject,
    ActivateObject,
    DeleteObject,
    /// A text that a program keeps with an object.
    SetMetadata,
    DeleteMetadata,
    IngestUsage,
    ForgetUsage,
    OpenRun,
    ApproveRun,
    CancelRun,
    RerunRun,
    ReleaseRun,
    ReverseRun,
    CreateDraft,
    EditDraft,
    CancelDraft,
    BookInvoice,
    CreditInvoice,
    RebillInvoice,
    MarkDelivered,
    /// A mail that a relay had taken was not delivered.
    MailCameBack,
    MarkPaid,
    WriteOff,
    Refund,
    ImportPayments,
    ExportDebits,
    ReturnDebit,
    AllocatePayment,
    RefundPayment,
    /// Open items of another system.
    TakeOver,
    ChangeSubscription(VerbName),
    /// Many at once, by one table.
    ChangeSubscriptions(VerbName),
    ApplyCustomerDiscount,
    ClearCustomerDiscount,
    /// What the law does not ask for is gone.
    EraseCustomer,
    AddWebhook,
    ChangeWebhook,
    RemoveWebhook,
    CreateKey,
    /// A bucket, plan or subscription of metering.
    CreateMetering,
    ChangeMetering,
    DeleteMetering,
    RevokeKey,
    /// A month of the books.
    ClosePeriod,
    /// The clock is right, says a person.
    GoOn,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LoadBook => "book.load",
            Self::PutObject => "book.put",
            Self::PatchObject => "book.patch",
            Self::DeactivateObject => "book.deactivate",
            Self::ActivateObject => "book.activate",
            Self::DeleteObject => "book.delete",
            Self::SetMetadata => "metadata.set",
            Self::DeleteMetadata => "metadata.delete",
            Self::IngestUsage => "usage.ingest",
            Self::ForgetUsage => "usage.forget",
            Self::OpenRun => "run.open",
            Self::ApproveRun => "run.approve",
            Self::CancelRun => "run.cancel",
            Self::RerunRun => "run.rerun",
            Self::ReleaseRun => "run.release",
            Self::ReverseRun => "run.reverse",
            Self::CreateDraft => "draft.create",
            Self::EditDraft => "draft.edit",
            Self::CancelDraft => "draft.cancel",
            Self::BookInvoice => "invoice.book",
            Self::CreditInvoice => "invoice.credit",
            Self::RebillInvoice => "invoice.rebill",
            Self::MarkDelivered => "invoice.markdelivered",
            Self::MailCameBack => "invoice.bounce",
            Self::MarkPaid => "invoice.markpaid",
            Self::WriteOff => "invoice.writeoff",
            Self::Refund => "invoice.refund",
            Self::ImportPayments => "payments.import",
            Self::ExportDebits => "payments.export",
            Self::ReturnDebit => "payments.return",
            Self::AllocatePayment => "payments.allocate",
            Self::RefundPayment => "payments.refund",
            Self::TakeOver => "invoices.takeover",
            Self::ChangeSubscription(verb) => return write!(f, "subscription.{}", verb.name()),
            Self::ChangeSubscriptions(verb) => return write!(f, "subscriptions.{}", verb.name()),
            Self::ApplyCustomerDiscount => "customer.applydiscount",
            Self::ClearCustomerDiscount => "customer.cleardiscount",
            Self::EraseCustomer => "customer.erase",
            Self::AddWebhook => "webhook.add",
            Self::ChangeWebhook => "webhook.change",
            Self::RemoveWebhook => "webhook.remove",
            Self::CreateKey => "key.create",
            Self::CreateMetering => "metering.create",
            Self::ChangeMetering => "metering.change",
            Self::DeleteMetering => "metering.delete",
            Self::RevokeKey => "key.revoke",
            Self::ClosePeriod => "books.close",
            Self::GoOn => "timetable.go_on",
        })
    }
}

/// What it was done to, by the name that people use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Object<'a> {
    Book,
    /// An object of the book, by its kind and key.
    Part(ObjectKind, &'a str),
    Timetable,
    /// By the number of the import.
    Import(i64),
    /// Files that were handed in and did not become an import.
    Usage,
    /// By its ordinal.
    Run(u64),
    Draft(InvoiceId),
    /// By its number.
    Invoice(&'a str),
    /// A bank file, by its number.
    BankFile(i64),
    /// For the bank.
    DebitFile(i64),
    /// By the name of the file that it is about.
    DebitReport(&'a str),
    /// Money that a bank tells of, by its number.
    Received(i64),
    Subscription(&'a str),
    /// Those of a table that was handed in.
    Subscriptions,
    /// By its account number.
    Customer(&'a str),
    /// A key of the HTTP API, by its name.
    Key(&'a str),
    /// A month of the books: `2026-01`.
    Period(&'a str),
    /// An endpoint that is told what has changed.
    Webhook(Uuid),
    /// By the id of a bucket, plan or subscription of metering.
    Metering(&'a str),
}

impl Object<'_> {
    /// The words with which the names of objects begin.
    pub fn kinds() -> impl Iterator<Item = &'static str> {
        let own = ["book", "draft", "import", "invoice", "run", "subscriptions", "timetable", "usage"];
        own.into_iter().chain(ObjectKind::ALL.iter().map(|kind| kind.singular()))
    }
}

impl fmt::Display for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Book => f.write_str("book"),
            Self::Part(kind, key) => write!(f, "{} {key}", kind.singular()),
            Self::Usage => f.write_str("usage"),
            Self::Timetable => f.write_str("timetable"),
            Self::Import(number) => write!(f, "import {number}"),
            Self::Run(ordinal) => write!(f, "run {ordinal}"),
            Self::Draft(id) => write!(f, "draft {id}"),
            Self::Invoice(number) => write!(f, "invoice {number}"),
            Self::BankFile(number) => write!(f, "bank file {number}"),
            Self::DebitReport(message) => write!(f, "debit report {message}"),
            Self::DebitFile(number) => write!(f, "debit file {number}"),
            Self::Received(number) => write!(f, "received {number}"),
            Self::Subscriptions => f.write_str("subscriptions"),
            Self::Subscription(number) => write!(f, "subscription {number}"),
            Self::Customer(account) => write!(f, "customer {account}"),
            Self::Key(name) => write!(f, "key {name}"),
            Self::Period(month) => write!(f, "period {month}"),
            Self::Webhook(id) => write!(f, "webhook {id}"),
            Self::Metering(id) => write!(f, "metering {id}"),
        }
    }
}
