//! Erases a person: what bookkeeping law does not ask for goes, what it asks for stays until its years are over, and both
//! are said before anything is done. Amounts, numbers and days stay, so that `verify` finds the books as they were.
//!
//! Idempotency key: what was emptied is not emptied again; a repeat after the years are over empties the rest.

use super::{Person, rejects};
use crate::act::Act;
use crate::context::Context;
use crate::files::file_store::Named;
use crate::refusal::Stop;
use crate::runs::open::{NewRun, Reach};
use crate::runs::preview;
use chrono::{Datelike, NaiveDate};
use domain::audit::{Action, Object};
use domain::book_file::{self, ObjectKind};
use domain::customer::Customer;
use domain::ids::{CustomerId, InvoiceId};
use domain::payment::{AttemptState, ask_for};
use domain::refusal::{Code, Command, Fault, Refusal, Verb, WayOut};
use domain::run::Scope;
use domain::subscription::{State, Subscription};
use gateways::mail::MailFiles;
use serde::Serialize;
use store::delivery::{self, OpenFilter};
use store::draft::{self, DraftFilter, DraftState};
use store::erasure::{self, ERASED, Erasure, Words};
use store::invoice::{self, InvoiceFilter, InvoiceState};
use store::{Tx, book, book_object, document, payer, payment};

/// What an erasure empties, and what it leaves and why.
#[derive(Debug, Clone, Serialize)]
pub struct Plan {
    pub account: String,
    /// Fields of the book object that hold something.
    pub book: Vec<&'static str>,
    pub words: Words,
    /// Mails as files in this home.
    pub mailfiles: u64,
    /// Booked invoices whose years are over: their buyer is emptied, their documents go.
    pub invoices: u64,
    pub documents: u64,
    pub kept: Vec<RetainedData>,
}

/// What stays.
#[derive(Debug, Clone, Serialize)]
pub struct RetainedData {
    pub what: String,
    pub why: String,
    /// Last day on which the law asks for it.
    pub until: Option<NaiveDate>,
}

/// What would be emptied, and what would stay; nothing is changed.
pub async fn plan(ctx: &Context, act: &Act, account: &str) -> Result<Plan, Stop> {
    refuse_unbilled(ctx, act, account).await?;
    let mut tx = ctx.store.read().await?;
    let person = Person::find(&mut tx, account).await?;
    refuse_open(&mut tx, &person, act.on).await?;
    Ok(looked_at(ctx, &mut tx, &person, act.on).await?)
}

/// Erases. Killed on the way it is asked again; until then `verify` may miss a document that is gone already.
pub async fn erase(ctx: &Context, act: &Act, account: &str) -> Result<Plan, Stop> {
    let planned = plan(ctx, act, account).await?;
    let mut tx = ctx.store.read().await?;
    let person = Person::find(&mut tx, account).await?;
    drop(tx);
    let rewritten = rejects::rewrite(ctx, &names(&person)).await?;
    let mut tx = ctx.store.begin().await?;
    payer::lock_of(&mut tx, person.customer.id).await?;
    refuse_open(&mut tx, &person, act.on).await?;
    let id = person.customer.id;
    delete_mails(ctx, &erasure::message_ids(&mut tx, id).await?)?;
    let (over, kept_until) = years(ctx, &mut tx, id, act.on).await?;
    erasure::record(
        &mut tx,
        &person.customer,
        &Erasure { account_number: account.to_owned(), erased_on: act.on, kept_until },
    )
    .await?;
    erase_invoices(ctx, &mut tx, &over).await?;
    let emptied = person.customer.erased(ERASED);
    book::save_customers(&mut tx, std::slice::from_ref(&emptied)).await?;
    let mut subscriptions = person.subscriptions.clone();
    for subscription in &mut subscriptions {
        (subscription.reference, subscription.refkey) = (None, None);
    }
    book::save_subscriptions(&mut tx, &subscriptions).await?;
    write_documents(&mut tx, &emptied, &subscriptions).await?;
    erasure::empty(&mut tx, &person.customer).await?;
    rejects::replace(&mut tx, &rewritten).await?;
    let detail = serde_json::json!({"on": act.on, "kept_until": kept_until});
    ctx.note(&mut tx, &act.actor, Action::EraseCustomer, Object::Book, detail).await?;
    tx.commit().await?;
    rejects::delete_replaced(ctx, &rewritten).await?;
    if let Err(error) = ctx.store.scrub().await {
        tracing::warn!(
            error = format!("{error:#}"),
            "free pages of the database still hold what was erased: ask again when no worker is at work"
        );
    }
    Ok(planned)
}

/// What was written in the book goes too: its documents say what is left.
async fn write_documents(
    tx: &mut Tx,
    customer: &Customer,
    subscriptions: &[Subscription],
) -> anyhow::Result<()> {
    let catalogue = store::catalogue::load(tx).await?;
    let parents: Vec<CustomerId> = customer.parent.into_iter().collect();
    let parent = book::customers(tx, &parents).await?.into_values().next();
    let parent = parent.as_ref().map(|parent| parent.account_number.as_str());
    let account = &customer.account_number;
    let mut documents =
        vec![(ObjectKind::Customer, account.clone(), book_file::customer_document(customer, parent))];
    for subscription in subscriptions {
        let plan = catalogue.as_ref().and_then(|catalogue| catalogue.plans.get(&subscription.plan));
        let document = book_file::subscription_document(subscription, account, plan);
        documents.push((ObjectKind::Subscription, subscription.number.clone(), document));
    }
    book_object::replace(tx, &documents).await
}

/// Words by which usage files may name the person.
fn names(person: &Person) -> Vec<String> {
    let c = &person.customer;
    let contacts = c.contacts.iter().flat_map(|contact| [Some(&contact.fullname), contact.email.as_ref()]);
    let own = [Some(&c.account_number), Some(&c.fullname), c.email.as_ref(), c.refkey.as_ref()];
    let named = own.into_iter().chain(contacts).flatten().cloned();
    let mut names: Vec<String> = named.chain(person.numbers()).filter(|name| name != ERASED).collect();
    names.retain(|name| !name.trim().is_empty());
    names
}

/// What has been used and not been billed is billed first: afterwards nobody knows whom to bill.
async fn refuse_unbilled(ctx: &Context, act: &Act, account: &str) -> Result<(), Stop> {
    let mut tx = ctx.store.read().await?;
    let person = Person::find(&mut tx, account).await?;
    let root = book::payer_of(&mut tx, person.customer.id).await?;
    drop(tx);
    if root != person.customer.id {
        return Ok(());
    }
    let scope = Scope { customers: vec![account.to_owned()], business_unit: None };
    let due = preview::preview(ctx, act, &NewRun { scope, ..NewRun::of_all(Reach::Ahead) }).await?;
    if due.run.invoiced == 0 && due.aside.is_empty() {
        return Ok(());
    }
    let run = Verb::Run.plain().with("customer", account);
    Err(still_open(account, vec![fault("something is due and not billed".to_owned(), run)]))
}

/// Nothing may be open: whoever owes, is owed or is served is still needed.
async fn refuse_open(tx: &mut Tx, person: &Person, on: NaiveDate) -> Result<(), Stop> {
    let (id, account) = (person.customer.id, person.customer.account_number.as_str());
    let mut faults = Vec::new();
    for s in &person.subscriptions {
        if !matches!(State::on(s, on), State::Ended | State::Cancelled | State::Expired) {
            let show = Verb::ShowSubscription.on(&s.number);
            faults.push(fault(format!("subscription {} has not ended", s.number), show));
        }
    }
    for run in store::run::all_unfinished(tx).await? {
        faults.push(fault(format!("run {} is not finished", run.ordinal), Verb::ShowRun.on(run.ordinal)));
    }
    let open = InvoiceFilter { payer: Some(id), state: Some(InvoiceState::Open), ..InvoiceFilter::default() };
    let open = invoice::ids(tx, &open).await?;
    for booked in invoice::by_ids(tx, &open).await? {
        let number = &booked.invoice.number;
        faults.push(fault(format!("invoice {number} is open"), Verb::ShowInvoice.on(number)));
    }
    let drafts = DraftFilter {
        account_number: Some(account.to_owned()),
        state: Some(DraftState::Open),
        ..DraftFilter::default()
    };
    for key in draft::keys(tx, &drafts).await? {
        faults.push(fault(format!("draft {} is not booked", key.id), Verb::CancelDraft.on(key.id)));
    }
    let all = InvoiceFilter { payer: Some(id), ..InvoiceFilter::default() };
    let all = invoice::ids(tx, &all).await?;
    for attempt in payment::of_invoices(tx, &all).await? {
        if attempt.state == AttemptState::Pending {
            let what = format!("charge {} has no answer", attempt.id);
            faults.push(fault(what, ask_for(&attempt)));
        }
    }
    let mails = OpenFilter { account_number: Some(account.to_owned()), ..OpenFilter::default() };
    for mail in delivery::list_open(tx, &mails).await? {
        let what = format!("a mail about {} has not gone out", mail.number);
        faults.push(fault(what, Verb::SendInvoice.on(&mail.number)));
    }
    for child in billed_to(tx, id).await? {
        faults.push(fault(format!("{child} is billed to it"), Verb::LoadBook.plain()));
    }
    if faults.is_empty() { Ok(()) } else { Err(still_open(account, faults)) }
}

async fn billed_to(tx: &mut Tx, id: CustomerId) -> anyhow::Result<Vec<String>> {
    let all = book::all_customers(tx).await?;
    let children = all.into_iter().filter(|c| c.parent == Some(id) && c.bill_to_parent);
    Ok(children.map(|c| c.account_number).collect())
}

fn fault(message: String, way_out: Command) -> Fault {
    Fault { pointer: String::new(), message, way_out: Some(WayOut::from(way_out)) }
}

fn still_open(account: &str, faults: Vec<Fault>) -> Stop {
    let message = format!("{account} cannot be erased yet: something is open, and nothing was changed");
    let first = faults.first().and_then(|fault| fault.way_out.clone());
    let refusal = Refusal::new(Code::StillOpen, message).with(faults);
    Stop::Refused(match first {
        Some(way_out) => refusal.or(way_out),
        None => refusal,
    })
}

async fn looked_at(ctx: &Context, tx: &mut Tx, person: &Person, on: NaiveDate) -> anyhow::Result<Plan> {
    let id = person.customer.id;
    let (over, kept_until) = years(ctx, tx, id, on).await?;
    let named = erasure::named_invoices(tx, id).await?.len() - over.len();
    let messages = erasure::message_ids(tx, id).await?;
    let files = MailFiles::new(ctx.folders.mail.clone(), gateways::Doors::OPEN);
    let mail_files = messages.iter().filter(|message| files.path_of(message).exists());
    Ok(Plan {
        account: person.customer.account_number.clone(),
        book: held(person),
        words: erasure::words(tx, &person.customer).await?,
        mailfiles: u64::try_from(mail_files.count())?,
        invoices: u64::try_from(over.len())?,
        documents: u64::try_from(document::of_invoices(tx, &over).await?.len())?,
        kept: kept(ctx, named, kept_until),
    })
}

/// The invoices whose years are over, and until when the others are kept: the end of the year of the newest one, and the years
/// of the setting behind it.
async fn years(
    ctx: &Context,
    tx: &mut Tx,
    payer: CustomerId,
    on: NaiveDate,
) -> anyhow::Result<(Vec<InvoiceId>, Option<NaiveDate>)> {
    let years = i32::try_from(ctx.settings.retention_years)?;
    let last_day = |day: NaiveDate| NaiveDate::from_ymd_opt(day.year() + years, 12, 31);
    let named = erasure::named_invoices(tx, payer).await?;
    let is_over = |day: NaiveDate| last_day(day).is_some_and(|last| last < on);
    let over = named.iter().filter(|(_, day)| is_over(*day)).map(|(id, _)| *id).collect();
    let until = named.iter().filter(|(_, day)| !is_over(*day)).filter_map(|(_, day)| last_day(*day)).max();
    Ok((over, until))
}

fn held(person: &Person) -> Vec<&'static str> {
    let c = &person.customer;
    let address = &c.address;
    let lines = [&address.line1, &address.line2, &address.postal_code, &address.city];
    let fields = [
        ("name", c.fullname != ERASED),
        ("company", c.company_name.is_some() || c.company_vat.is_some()),
        ("address", lines.into_iter().any(Option::is_some)),
        ("e-mail address", c.email.is_some()),
        ("phone", c.phone.is_some()),
        ("contacts", !c.contacts.is_empty()),
        ("payment methods", !c.payment_methods.is_empty()),
        (
            "references",
            c.refkey.is_some()
                || c.our_reference.is_some()
                || person.subscriptions.iter().any(|s| s.reference.is_some() || s.refkey.is_some()),
        ),
    ];
    fields.into_iter().filter(|(_, is_held)| *is_held).map(|(name, _)| name).collect()
}

fn kept(ctx: &Context, named: usize, until: Option<NaiveDate>) -> Vec<RetainedData> {
    let kept =
        |what: &str, why: &str| RetainedData { what: what.to_owned(), why: why.to_owned(), until: None };
    let mut all = Vec::new();
    if named > 0 {
        all.push(RetainedData {
            what: format!(
                "{named} booked invoice(s) with name and address of the buyer, and their documents"
            ),
            why: format!(
                "bookkeeping law asks for them (retention.years = {}); ask again then",
                ctx.settings.retention_years
            ),
            until,
        });
    }
    all.push(kept(
        "account and subscription numbers, amounts, days, the ledger, payments",
        "the books rest on them; they name nobody",
    ));
    all.push(kept("usage events", "the evidence of what was billed; they hold a subscription's number"));
    all.push(kept(
        "backups, exports and usage files that were handed in",
        "they are files of yours: let them run out, or delete them",
    ));
    all
}

fn delete_mails(ctx: &Context, messages: &[String]) -> anyhow::Result<()> {
    let files = MailFiles::new(ctx.folders.mail.clone(), gateways::Doors::OPEN);
    for message in messages {
        match std::fs::remove_file(files.path_of(message)) {
            Ok(()) => {}
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(anyhow::Error::new(e).context("deleting a mail")),
        }
    }
    Ok(())
}

async fn erase_invoices(ctx: &Context, tx: &mut Tx, over: &[InvoiceId]) -> anyhow::Result<()> {
    for document in document::of_invoices(tx, over).await? {
        ctx.files.delete(&Named::from(&document).path).await?;
    }
    let booked = invoice::by_ids(tx, over).await?;
    let buyers: Vec<_> =
        booked.iter().map(|b| (b.invoice.draft.id, b.invoice.draft.buyer.erased(ERASED))).collect();
    erasure::empty_invoices(tx, &buyers).await
}
