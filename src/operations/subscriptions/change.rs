//! What a person does to a subscription, or to the discount of a customer: the verbs of rules S2, through the same
//! function as `simulate`. One transaction: the payer's book is read, checked and changed, and the audit log says who
//! did it. `preview` bills the payer with and without the change and writes nothing.
//!
//! Idempotency key: none is needed, as a verb done twice is refused by the state that it led to, or
//! sets what is set already.

use crate::act::{Act, Actor, Mode};
use crate::context::{Context, catalogue};
use crate::refusal::Stop;
use crate::subscriptions::told;
use crate::subscriptions::view::{self, SubscriptionView};
use anyhow::Context as _;
use chrono::NaiveDate;
use domain::audit::{Action, Object};
use domain::billing::PayerBook;
use domain::catalogue::Catalogue;
use domain::customer::PaymentMethod;
use domain::ids::{ChargeReference, CustomerId, InvoiceId};
use domain::invoice::Settlement;
use domain::refusal::{Code, Refusal, Verb, WayOut};
use domain::subscription::{ActContext, Request, Subscription, act};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{Tx, book, payer};
use uuid::Uuid;

/// Ancestors looked at for payment methods.
const ANCESTORS_MAX: usize = 100;

/// A verb on one subscription, in the words of a `simulate` step.
#[derive(Debug, Clone)]
pub struct Change {
    pub verb: String,
    /// `subscription` names it, or `charge` by its reference.
    pub arguments: Map<String, Value>,
    /// Day on which it takes effect; the day on which it is done unless given.
    pub effective: Option<NaiveDate>,
}

/// A [`Change`] that was read.
#[derive(Debug, Clone)]
pub(crate) struct DatedRequest {
    pub number: String,
    pub request: Request,
    /// The verb's arguments as they were given, for the audit log.
    pub arguments: Map<String, Value>,
    pub effective: NaiveDate,
    /// Day on which it is done.
    pub on: NaiveDate,
}

/// Does the verb; the subscription as it is then.
pub async fn change(ctx: &Context, act: &Act, change: &Change) -> Result<SubscriptionView, Stop> {
    let mut tx = ctx.store.begin().await?;
    let asked = read(&mut tx, act, change).await?;
    let changed =
        change_in(&mut tx, ctx, &act.actor, &asked).await.map_err(|stop| look_at(stop, &asked.number))?;
    let view = SubscriptionView::of(&mut tx, &changed, asked.on.max(asked.effective)).await?;
    tx.commit().await?;
    Ok(view)
}

/// Does several verbs, all or none.
pub async fn change_all(ctx: &Context, act: &Act, changes: &[Change]) -> Result<(), Stop> {
    change_charge(ctx, act, changes, None).await
}

/// The same of one charge, which may be given a name.
pub async fn change_charge(
    ctx: &Context,
    act: &Act,
    changes: &[Change],
    name: Option<(ChargeReference, &str)>,
) -> Result<(), Stop> {
    if changes.is_empty() && name.is_none() {
        return Ok(());
    }
    let mut tx = ctx.store.begin().await?;
    if let Some((charge, refkey)) = name {
        name_charge(ctx, &mut tx, act, charge, refkey).await?;
    }
    for change in changes {
        let asked = read(&mut tx, act, change).await?;
        change_in(&mut tx, ctx, &act.actor, &asked).await.map_err(|stop| look_at(stop, &asked.number))?;
    }
    Ok(tx.commit().await?)
}

/// Keeps the name that a caller gives to a charge.
async fn name_charge(
    ctx: &Context,
    tx: &mut Tx,
    act: &Act,
    charge: ChargeReference,
    refkey: &str,
) -> Result<(), Stop> {
    let number = owner_of(tx, &charge.0.to_string()).await?;
    let owner = book::subscription(tx, &number).await?.context("the subscription is gone")?;
    payer::lock_of(tx, owner.customer).await?;
    store::refkey::set(tx, store::refkey::Named::Charge, charge.0, owner.id.0, refkey).await?;
    let detail = serde_json::json!({"charge": charge, "refkey": refkey});
    let object = Object::Part(domain::book_file::ObjectKind::Subscription, &number);
    Ok(ctx.note(tx, &act.actor, Action::PatchObject, object, detail).await?)
}

/// Does a verb within a transaction.
pub(crate) async fn ask_in(tx: &mut Tx, ctx: &Context, act: &Act, change: &Change) -> Result<(), Stop> {
    let asked = read(tx, act, change).await?;
    change_in(tx, ctx, &act.actor, &asked).await.map_err(|stop| look_at(stop, &asked.number)).map(drop)
}

/// Reads what is asked. A charge's reference says whose it is.
pub(super) async fn read(tx: &mut Tx, act: &Act, change: &Change) -> Result<DatedRequest, Stop> {
    let text = |name: &str| change.arguments.get(name).and_then(Value::as_str);
    let number = match text("subscription") {
        Some(number) => number.to_owned(),
        None => owner_of(tx, text("charge").unwrap_or_default()).await?,
    };
    let request =
        Request::read(&change.verb, &change.arguments).map_err(|refusal| look_at(refusal.into(), &number))?;
    let mut arguments = change.arguments.clone();
    arguments.retain(|name, value| name != "subscription" && !value.is_null());
    let effective = change.effective.unwrap_or(act.on);
    Ok(DatedRequest { number, request, arguments, effective, on: act.on })
}

async fn owner_of(tx: &mut Tx, reference: &str) -> Result<String, Stop> {
    let id = Uuid::parse_str(reference).ok().map(ChargeReference);
    let owner = match id {
        Some(id) => book::owner_of_charge(tx, id).await?,
        None => None,
    };
    Ok(owner.ok_or_else(|| {
        let message = format!("no subscription has a charge with the reference {reference}");
        Refusal::new(Code::UnknownCharge, message)
            .ask(Verb::ShowSubscription.on("NUMBER"))
            .hint(" lists references")
    })?)
}

/// Where a refusal says nothing else, the subscription itself says how it stands.
pub(super) fn look_at(stop: Stop, number: &str) -> Stop {
    stop.or(WayOut::from("look at it with ").ask(Verb::ShowSubscription.on(number)))
}

/// As [`change`], because an invoice is not paid: refused with the code `moved` if its settlement is not what was seen.
pub(crate) async fn change_because_of(
    ctx: &Context,
    actor: &Actor,
    asked: &DatedRequest,
    invoice: InvoiceId,
    seen: &Settlement,
) -> Result<(), Stop> {
    let mut tx = ctx.store.begin().await?;
    change_in(&mut tx, ctx, actor, asked).await?;
    store::invoice::lock_settlements(&mut tx, &[invoice]).await?;
    let now = store::invoice::by_id(&mut tx, invoice).await?.context("the invoice is gone")?;
    if now.settlement != *seen {
        return Err(Refusal::new(Code::Moved, "the invoice was paid, credited or dunned meanwhile").into());
    }
    Ok(tx.commit().await?)
}

async fn change_in(
    tx: &mut Tx,
    ctx: &Context,
    actor: &Actor,
    asked: &DatedRequest,
) -> Result<Subscription, Stop> {
    let checked = Checked::of(tx, asked, Mode::Change).await?;
    let changed = checked.changed(asked)?;
    book::save_subscriptions(tx, std::slice::from_ref(&changed)).await?;
    let events = told::events(asked.request.verb(), &checked.subscription, &changed);
    store::outbox::tell(tx, &events).await?;
    let detail =
        serde_json::json!({"on": asked.on, "effective": asked.effective, "arguments": asked.arguments});
    let action = Action::ChangeSubscription(asked.request.verb());
    ctx.note(tx, actor, action, Object::Subscription(&asked.number), detail).await?;
    Ok(changed)
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

/// A subscription with all that a verb on it is checked against.
pub(crate) struct Checked {
    catalogue: Arc<Catalogue>,
    pub(super) book: PayerBook,
    subscription: Subscription,
    methods: Vec<PaymentMethod>,
    redeemed: BTreeMap<String, u32>,
}

impl Checked {
    pub(super) async fn of(tx: &mut Tx, asked: &DatedRequest, mode: Mode) -> Result<Self, Stop> {
        let found = book::subscription(tx, &asked.number).await?;
        let found = found.ok_or_else(|| view::unknown(&format!("`{}`", asked.number)))?;
        let id = found.id;
        let payer = match mode {
            Mode::Change => lock_owner(tx, found).await?,
            Mode::Show => book::payer_of(tx, found.customer).await?,
        };
        let catalogue = catalogue(tx).await?;
        if let (Mode::Change, Request::ApplyDiscount { code, .. }) = (mode, &asked.request) {
            lock_code(tx, &catalogue, Some(code)).await?;
        }
        let book = payer::books(tx, &[payer], &catalogue).await?.pop().context("the payer has a book")?;
        let subscription = book.subscriptions.get(&id).context("the payer's book has it")?.clone();
        let methods = methods(&book, subscription.customer);
        Ok(Self { methods, redeemed: book::all_redeemed(tx).await?, catalogue, subscription, book })
    }

    pub(super) fn changed(&self, asked: &DatedRequest) -> Result<Subscription, Refusal> {
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
pub(super) fn methods(book: &PayerBook, owner: CustomerId) -> Vec<PaymentMethod> {
    let mut methods = Vec::new();
    let mut customer = book.customers.get(&owner);
    for _ in 0..ANCESTORS_MAX {
        let Some(current) = customer else { break };
        methods.extend(current.payment_methods.iter().cloned());
        customer = current.parent.filter(|_| current.bill_to_parent).and_then(|id| book.customers.get(&id));
    }
    methods
}
