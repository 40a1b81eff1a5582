//! Subscriptions as they are shown on a day.

use crate::context::catalogue;
use crate::refusal::Stop;
use anyhow::Context as _;
use chrono::NaiveDate;
use domain::catalogue::Catalogue;
use domain::ids::{ChargeReference, SubscriptionId};
use domain::money::Currency;
use domain::refusal::{Code, Refusal, Verb};
use domain::subscription::{Act, ChargeLife, Life, State, Subscription, Timeline, VerbName};
use serde::Serialize;
use store::{Tx, book};

/// A subscription in a list.
#[derive(Debug, Clone, Serialize)]
pub struct SubscriptionHead {
    #[serde(rename = "subscriptionnumber")]
    pub number: String,
    pub id: SubscriptionId,
    /// Account number of the owner.
    pub customer: String,
    /// SKU of the plan agreed on the day.
    #[serde(rename = "productplan")]
    pub plan: String,
    pub state: State,
    #[serde(rename = "statecode")]
    pub state_code: u32,
    #[serde(rename = "startdate")]
    pub start: NaiveDate,
    #[serde(rename = "enddate")]
    pub end: Option<NaiveDate>,
    pub activated: Option<NaiveDate>,
    #[serde(rename = "trialend")]
    pub trial_end: Option<NaiveDate>,
    /// Another system billed what has a charge date before this day (rules S7).
    #[serde(rename = "billedthrough", skip_serializing_if = "Option::is_none")]
    pub billed_through: Option<NaiveDate>,
    #[serde(rename = "currencycode")]
    pub currency: Currency,
    #[serde(rename = "autorenew")]
    pub auto_renew: bool,
    pub reference: Option<String>,
    /// So many acts there are.
    #[serde(skip)]
    pub changes: usize,
}

/// A subscription in full.
#[derive(Debug, Clone, Serialize)]
pub struct SubscriptionView {
    #[serde(flatten)]
    pub head: SubscriptionHead,
    pub charges: Vec<ChargeView>,
    pub acts: Vec<Act>,
    /// What it can be asked on that day.
    #[serde(serialize_with = "names")]
    pub verbs: Vec<VerbName>,
}

/// A charge of a subscription.
#[derive(Debug, Clone, Serialize)]
pub struct ChargeView {
    #[serde(rename = "referenceid")]
    pub reference: ChargeReference,
    pub sku: String,
    #[serde(rename = "fullname")]
    pub name: String,
    pub amount: String,
    /// A price of its own.
    #[serde(rename = "unitprice")]
    pub unit_price: Option<String>,
    /// Switched off.
    pub toggled: bool,
    /// On hold by itself since that day.
    pub held: Option<NaiveDate>,
    pub removed: Option<NaiveDate>,
}

fn names<S: serde::Serializer>(verbs: &[VerbName], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(verbs.iter().map(|verb| verb.name()))
}

impl SubscriptionHead {
    pub(crate) fn of(s: &Subscription, account: &str, catalogue: &Catalogue, day: NaiveDate) -> Self {
        let state = State::on(s, day);
        let plan = Timeline::known(s, catalogue, day, day).map_or(s.plan, |timeline| timeline.plan_on(day));
        Self {
            number: s.number.clone(),
            id: s.id,
            customer: account.to_owned(),
            plan: catalogue.plans.get(&plan).map(|p| p.sku.clone()).unwrap_or_default(),
            state,
            state_code: state as u32,
            start: s.start,
            end: s.end,
            activated: s.activated,
            trial_end: Life::known(s, day, day).trial.map(|trial| trial.end),
            billed_through: s.billed_through,
            currency: s.currency,
            auto_renew: s.auto_renew,
            reference: s.reference.clone(),
            changes: s.acts.len(),
        }
    }
}

impl SubscriptionView {
    /// As it stands on a day.
    pub(crate) async fn of(tx: &mut Tx, s: &Subscription, day: NaiveDate) -> Result<Self, Stop> {
        let catalogue = catalogue(tx).await?;
        let owner = book::customers(tx, &[s.customer]).await?.remove(&s.customer);
        let account = owner.map(|c| c.account_number).unwrap_or_default();
        let timeline = Timeline::known(s, &catalogue, day, day)
            .with_context(|| format!("the plans of {} are not in the book", s.number))?;
        Ok(Self {
            head: SubscriptionHead::of(s, &account, &catalogue, day),
            charges: timeline.charges.iter().map(|life| charge(&timeline, life, day)).collect(),
            acts: s.acts.clone(),
            verbs: State::on(s, day).verbs(),
        })
    }
}

fn charge(timeline: &Timeline<'_>, life: &ChargeLife<'_>, day: NaiveDate) -> ChargeView {
    let terms = life.terms_on(day);
    ChargeView {
        reference: life.reference,
        sku: terms.charge.sku.clone(),
        name: terms.charge.fullname.clone(),
        amount: timeline.amount_on(life, day).normalize().to_string(),
        unit_price: life.unit_price_on(day).map(|price| price.normalize().to_string()),
        toggled: life.is_toggled_off(day),
        held: life.own_hold_on(day).map(|hold| hold.from),
        removed: life.removed.map(|removal| removal.on),
    }
}

/// The subscription of this number.
pub(crate) async fn find(tx: &mut Tx, number: &str) -> Result<Subscription, Stop> {
    Ok(book::subscription(tx, number).await?.ok_or_else(|| unknown(number))?)
}

/// Nothing is called so.
pub(crate) fn unknown(name: &str) -> Refusal {
    Refusal::new(Code::UnknownSubscription, format!("there is no subscription {name}"))
        .ask(Verb::ListSubscriptions.plain())
        .hint(" lists them by number")
}
