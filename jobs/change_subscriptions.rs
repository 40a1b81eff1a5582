//! What a person does to a subscription, or to the discount of a customer: the verbs of rules.md S2, through the same
//! function as `simulate`. One transaction: the payer's book is read, checked and changed, and the journal says who
//! did it. `preview` bills the payer with and without the change and writes nothing.
//!
//! Key that makes a repeat quiet: none is needed, as a verb done twice is refused by the state that it led to, or
//! sets what is set already.

use crate::bounds::{Gate, Outcome};
use crate::context::JobContext;
use crate::draft_invoices::bill_one;
use crate::measuring;
use crate::preview::would_be_run;
use anyhow::Context;
use chrono::{Days, Months, NaiveDate};
use domain::billing::{PayerBook, RunContext};
use domain::catalogue::Catalogue;
use domain::customer::PaymentMethod;
use domain::ids::{CustomerId, InvoiceId};
use domain::invoice::{Draft, Settlement};
use domain::journal::{Action, Object};
use domain::subscription::{ActContext, Refusal, Request, Subscription, act, applicable};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::run::Run;
use store::{Tx, book, payer};

/// Ancestors looked at for payment methods.
const ANCESTORS_MAX: usize = 100;

/// A verb on one subscription.
#[derive(Debug, Clone)]
pub struct Asked {
    pub number: String,
    pub request: Request,
    /// The verb's arguments as they were given, for the journal.
    pub arguments: serde_json::Map<String, serde_json::Value>,
    /// Day on which it takes effect.
    pub effective: NaiveDate,
    /// Day on which it is done.
    pub on: NaiveDate,
    pub actor: String,
}

/// What a change would cost: the payer's drafts with this subscription on them, with and without it.
#[derive(Debug, Clone)]
pub struct Preview {
    /// Everything due on or before this day is billed: the day asked for, or the first one at which the change shows.
    pub as_of: NaiveDate,
    pub without: Vec<Draft>,
    pub with: Vec<Draft>,
}

impl Preview {
    fn shows(&self) -> bool {
        let told = |drafts: &[Draft]| -> Vec<_> {
            drafts
                .iter()
                .map(|d| (d.charge_date, d.currency, d.net_minor, d.vat_minor, d.lines.len()))
                .collect()
        };
        told(&self.without) != told(&self.with)
    }
}

/// Does the verb; `Err` holds why not, and nothing is changed then.
pub async fn change(ctx: &JobContext, asked: &Asked) -> anyhow::Result<Result<Subscription, Refusal>> {
    let mut tx = ctx.store.begin().await?;
    let changed = change_within(ctx, &mut tx, asked).await?;
    if changed.is_ok() {
        tx.commit().await?;
    }
    Ok(changed)
}

/// As [`change`], because an invoice is not paid: refused with the code `moved` if its settlement is not what was seen.
pub(crate) async fn change_because_of(
    ctx: &JobContext,
    asked: &Asked,
    invoice: InvoiceId,
    seen: &Settlement,
) -> anyhow::Result<Result<Subscription, Refusal>> {
    let mut tx = ctx.store.begin().await?;
    let changed = change_within(ctx, &mut tx, asked).await?;
    if changed.is_err() {
        return Ok(changed);
    }
    store::invoice::lock_settlements(&mut tx, &[invoice]).await?;
    let now = store::invoice::by_id(&mut tx, invoice).await?.context("the invoice is gone")?;
    if now.settlement != *seen {
        return Ok(Err(Refusal::new("moved", "the invoice was paid, credited or dunned meanwhile")));
    }
    tx.commit().await?;
    Ok(changed)
}

async fn change_within(
    ctx: &JobContext,
    tx: &mut Tx,
    asked: &Asked,
) -> anyhow::Result<Result<Subscription, Refusal>> {
    let desk = match Desk::of(tx, asked, Lock::ForChange).await? {
        Ok(desk) => desk,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let changed = match desk.changed(asked) {
        Ok(changed) => changed,
        Err(refusal) => return Ok(Err(refusal)),
    };
    book::save_subscriptions(tx, std::slice::from_ref(&changed)).await?;
    let detail =
        serde_json::json!({"on": asked.on, "effective": asked.effective, "arguments": asked.arguments});
    let action = Action::ChangeSubscription(asked.request.verb());
    ctx.note(tx, &asked.actor, action, Object::Subscription(&asked.number), detail).await?;
    Ok(Ok(changed))
}

/// What the verb would cost, billed up to `as_of`, or up to the first day at which the change shows.
pub async fn preview(
    ctx: &JobContext,
    asked: &Asked,
    as_of: Option<NaiveDate>,
) -> anyhow::Result<Result<Preview, Refusal>> {
    let mut tx = ctx.store.read().await?;
    let desk = match Desk::of(&mut tx, asked, Lock::None).await? {
        Ok(desk) => desk,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let changed = match desk.changed(asked) {
        Ok(changed) => changed,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let pinned = would_be_run(ctx, &mut tx, asked.on).await?;
    drop(tx);
    let mut with = desk.book.clone();
    with.subscriptions.insert(changed.id, changed);
    let mut shown = None;
    for as_of in as_of.map_or_else(|| horizons(asked.on.max(asked.effective)), |day| vec![day]) {
        let run = Run { as_of, ..pinned.clone() };
        let preview = Preview {
            as_of,
            without: drafts(ctx, &run, &desk.book, &asked.number).await?,
            with: drafts(ctx, &run, &with, &asked.number).await?,
        };
        let shows = preview.shows();
        let says_nothing = |p: &Preview| p.with.is_empty() && p.without.is_empty();
        if shows || shown.as_ref().is_none_or(says_nothing) {
            shown = Some(preview);
        }
        if shows {
            break;
        }
    }
    Ok(Ok(shown.context("a preview looks at one day at least")?))
}

/// Applies a code to a customer, or ends what is applied.
pub async fn customer_discount(
    ctx: &JobContext,
    account: &str,
    code: Option<&str>,
    on: NaiveDate,
    actor: &str,
) -> anyhow::Result<Result<(), Refusal>> {
    let mut tx = ctx.store.begin().await?;
    let Some(found) = book::customer(&mut tx, account).await? else {
        let refusal = Refusal::new("unknown_customer", format!("there is no customer `{account}`"));
        return Ok(Err(refusal.hint("`tallybook subscriptions` lists account numbers")));
    };
    payer::lock_of(&mut tx, found.id).await?;
    let catalogue = store::catalogue::load(&mut tx).await?.context("the book is empty")?;
    lock_code(&mut tx, &catalogue, code).await?;
    let mut customer = book::customer(&mut tx, account).await?.context("the customer is gone")?;
    let outcome = match code {
        Some(code) => {
            let redeemed = book::all_redeemed(&mut tx).await?;
            let context = ActContext {
                catalogue: &catalogue,
                billed: &BTreeMap::new(),
                methods: &[],
                redeemed: &redeemed,
            };
            applicable(&context, code, on, None).map(|discount| customer.apply_discount(discount))
        }
        None => customer.clear_discount(on),
    };
    if let Err(refusal) = outcome {
        return Ok(Err(refusal));
    }
    book::save_customers(&mut tx, std::slice::from_ref(&customer)).await?;
    let action = if code.is_some() { Action::ApplyCustomerDiscount } else { Action::ClearCustomerDiscount };
    let detail = serde_json::json!({"on": on, "code": code});
    ctx.note(&mut tx, actor, action, Object::Customer(account), detail).await?;
    tx.commit().await?;
    Ok(Ok(()))
}

/// Two payers cannot both take the last application of a code (rules.md D1).
async fn lock_code(tx: &mut Tx, catalogue: &Catalogue, code: Option<&str>) -> anyhow::Result<()> {
    let Some(code) = code else { return Ok(()) };
    for (id, discount) in &catalogue.discounts {
        if discount.codes.iter().any(|own| own.complete() == code) {
            store::catalogue::lock_discount(tx, *id).await?;
        }
    }
    Ok(())
}

/// Whether the payer's book stays as it was read until the transaction ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lock {
    ForChange,
    None,
}

/// A subscription with all that a verb on it is checked against.
struct Desk {
    catalogue: Arc<Catalogue>,
    book: PayerBook,
    subscription: Subscription,
    methods: Vec<PaymentMethod>,
    redeemed: BTreeMap<String, u32>,
}

impl Desk {
    async fn of(tx: &mut Tx, asked: &Asked, lock: Lock) -> anyhow::Result<Result<Self, Refusal>> {
        let Some(found) = book::subscription(tx, &asked.number).await? else {
            let message = format!("there is no subscription `{}`", asked.number);
            let hint = "`tallybook subscriptions` lists them by number";
            return Ok(Err(Refusal::new("unknown_subscription", message).hint(hint)));
        };
        let id = found.id;
        let payer = match lock {
            Lock::ForChange => lock_owner(tx, found).await?,
            Lock::None => book::payer_of(tx, found.customer).await?,
        };
        let catalogue = Arc::new(store::catalogue::load(tx).await?.context("the book is empty")?);
        if let (Lock::ForChange, Request::ApplyDiscount { code, .. }) = (lock, &asked.request) {
            lock_code(tx, &catalogue, Some(code)).await?;
        }
        let book = payer::books(tx, &[payer], &catalogue).await?.pop().context("the payer has a book")?;
        let subscription = book.subscriptions.get(&id).context("the payer's book has it")?.clone();
        let methods = methods(&book, subscription.customer);
        Ok(Ok(Self { methods, redeemed: book::all_redeemed(tx).await?, catalogue, subscription, book }))
    }

    fn changed(&self, asked: &Asked) -> Result<Subscription, Refusal> {
        let context = ActContext {
            catalogue: &self.catalogue,
            billed: &self.book.billed,
            methods: &self.methods,
            redeemed: &self.redeemed,
        };
        act(&self.subscription, &context, &asked.request, asked.effective, asked.on)
    }
}

/// Locks the payer of the subscription's owner and returns it; a load may give the subscription to another customer until
/// the lock is held.
async fn lock_owner(tx: &mut Tx, mut found: Subscription) -> anyhow::Result<CustomerId> {
    loop {
        let payer = payer::lock_of(tx, found.customer).await?;
        let now = book::subscription(tx, &found.number).await?.context("the subscription is gone")?;
        if now.customer == found.customer {
            return Ok(payer);
        }
        found = now;
    }
}

/// Methods of an owner and of those who pay for it.
fn methods(book: &PayerBook, owner: CustomerId) -> Vec<PaymentMethod> {
    let mut methods = Vec::new();
    let mut customer = book.customers.get(&owner);
    for _ in 0..ANCESTORS_MAX {
        let Some(current) = customer else { break };
        methods.extend(current.payment_methods.iter().cloned());
        customer = current.parent.filter(|_| current.bill_to_parent).and_then(|id| book.customers.get(&id));
    }
    methods
}

/// Days at which a change may show: at once, within a week, a month, a quarter, a year.
fn horizons(day: NaiveDate) -> Vec<NaiveDate> {
    let later = |months| day.checked_add_months(Months::new(months)).unwrap_or(NaiveDate::MAX);
    let week = day.checked_add_days(Days::new(7)).unwrap_or(NaiveDate::MAX);
    vec![day, week, later(1), later(3), later(12)]
}

async fn drafts(ctx: &JobContext, run: &Run, book: &PayerBook, number: &str) -> anyhow::Result<Vec<Draft>> {
    let books = measuring::with_late_hints(ctx, run, vec![book.clone()]).await?;
    let rated = measuring::measure(ctx, run, &books).await?;
    let measured = rated.by_payer.get(&book.payer).cloned().unwrap_or_default();
    let context = RunContext {
        ordinal: run.ordinal,
        as_of: run.as_of,
        usage_mark: run.usage_mark,
        catch_up_max: ctx.settings.catch_up_max,
    };
    // What the next invoice would be, whoever holds it back then.
    let billed = match bill_one(&books[0], &measured, context, &Gate::default()) {
        Outcome::Billed(billed) => billed,
        Outcome::Parked(parked) => parked.billed,
        Outcome::Failed(reason) => anyhow::bail!(reason),
    };
    let mut drafts = billed.drafts;
    drafts.retain(|d| d.lines.iter().any(|line| line.subscription_number.as_deref() == Some(number)));
    Ok(drafts)
}
