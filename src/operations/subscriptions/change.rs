//! What a person does to a subscription, or to the discount of a customer: the verbs of rules S2, through the same
//! function as `simulate`. One transaction: the payer's book is read, checked and changed, and the journal says who
//! did it. `preview` bills the payer with and without the change and writes nothing.
//!
//! Key that makes a repeat quiet: none is needed, as a verb done twice is refused by the state that it led to, or
//! sets what is set already.

use crate::context::Context;
use anyhow::Context as _;
use chrono::NaiveDate;
use domain::billing::PayerBook;
use domain::catalogue::Catalogue;
use domain::customer::PaymentMethod;
use domain::ids::{CustomerId, InvoiceId};
use domain::invoice::Settlement;
use domain::journal::{Action, Object};
use domain::refusal::{Code, Refusal, Verb};
use domain::subscription::{ActContext, Request, Subscription, act};
use std::collections::BTreeMap;
use std::sync::Arc;
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

/// Does the verb; `Err` holds why not, and nothing is changed then.
pub async fn change(ctx: &Context, asked: &Asked) -> anyhow::Result<Result<Subscription, Refusal>> {
    let mut tx = ctx.store.begin().await?;
    let changed = change_within(ctx, &mut tx, asked).await?;
    if changed.is_ok() {
        tx.commit().await?;
    }
    Ok(changed)
}

/// As [`change`], because an invoice is not paid: refused with the code `moved` if its settlement is not what was seen.
pub(crate) async fn change_because_of(
    ctx: &Context,
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
        return Ok(Err(Refusal::new(Code::Moved, "the invoice was paid, credited or dunned meanwhile")));
    }
    tx.commit().await?;
    Ok(changed)
}

async fn change_within(
    ctx: &Context,
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

/// Two payers cannot both take the last application of a code (rules D1).
pub(crate) async fn lock_code(tx: &mut Tx, catalogue: &Catalogue, code: Option<&str>) -> anyhow::Result<()> {
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
pub(crate) enum Lock {
    ForChange,
    None,
}

/// A subscription with all that a verb on it is checked against.
pub(crate) struct Desk {
    catalogue: Arc<Catalogue>,
    pub(super) book: PayerBook,
    subscription: Subscription,
    methods: Vec<PaymentMethod>,
    redeemed: BTreeMap<String, u32>,
}

impl Desk {
    pub(super) async fn of(tx: &mut Tx, asked: &Asked, lock: Lock) -> anyhow::Result<Result<Self, Refusal>> {
        let Some(found) = book::subscription(tx, &asked.number).await? else {
            let message = format!("there is no subscription `{}`", asked.number);
            return Ok(Err(Refusal::new(Code::UnknownSubscription, message)
                .ask(Verb::ListSubscriptions.plain())
                .hint(" lists them by number")));
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

    pub(super) fn changed(&self, asked: &Asked) -> Result<Subscription, Refusal> {
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
