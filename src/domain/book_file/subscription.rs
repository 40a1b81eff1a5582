//! Subscriptions as written, and how they become what is billed.

use super::discount::{self, WrittenMark};
use super::fields::{Fields, Ref};
use crate::catalogue::TermPeriod;
use crate::decimal::{PRICE, QUANTITY};
use crate::money::Currency;
use crate::subscription::Subscription;
use crate::zone::previous_day;
use chrono::{Days, NaiveDate};
use rust_decimal::Decimal;

/// Longest trial.
const TRIAL_DAYS_MAX: i64 = 3_660;

/// A subscription before its references are resolved.
pub(super) struct WrittenSubscription {
    pub number: String,
    pub customer: Ref,
    pub plan: Ref,
    pub currency: Option<(Currency, Ref)>,
    pub start: NaiveDate,
    pub end: Option<NaiveDate>,
    pub is_active: bool,
    pub auto_renew: bool,
    pub initial_term: Option<(TermPeriod, u32)>,
    pub renewal_term: Option<(TermPeriod, u32)>,
    /// First day after the trial.
    pub trial_end: Option<NaiveDate>,
    pub billed_through: Option<NaiveDate>,
    pub reference: Option<String>,
    pub refkey: Option<String>,
    pub business_unit: Option<Ref>,
    pub payment_method: Option<Ref>,
    pub discount: Option<WrittenMark>,
    pub charges: Vec<WrittenCharge>,
}

/// A charge that the subscription lists.
pub(super) struct WrittenCharge {
    /// SKU of the plan charge.
    pub charge: Ref,
    pub amount: Option<Decimal>,
    pub unit_price: Option<Decimal>,
    pub start: Option<NaiveDate>,
    pub billed_through: Option<NaiveDate>,
    pub discount: Option<WrittenMark>,
}

impl WrittenSubscription {
    /// Whether it may say something else of what another system has billed than the stored one.
    pub(super) fn moves_takeover(&self, stored: &Subscription) -> bool {
        let of_charge = |own: &WrittenCharge| {
            let was = stored.charges.iter().find(|charge| charge.charge == own.charge.name);
            let was = was.and_then(|charge| charge.billed_through).or(stored.billed_through);
            own.billed_through.or(self.billed_through) != was
        };
        self.billed_through != stored.billed_through || self.charges.iter().any(of_charge)
    }
}

/// Reads a subscription.
pub(super) fn subscription(fields: &mut Fields<'_, '_>) -> Option<WrittenSubscription> {
    fields.ignore(&["id", "isevergreen", "note"]);
    let number = fields.key("subscriptionnumber");
    let customer = fields.required_reference("customer|customerid");
    let plan = fields.required_reference("productplan|productplanid");
    let currency_place = fields.at("currencycode");
    let currency = fields.currency("currencycode");
    let start = fields.date("startdate");
    let start = fields.require("startdate", start);
    let end = fields.date("enddate");
    if start.zip(end).is_some_and(|(start, end)| end <= start) {
        fields.hinted(
            "enddate",
            "is not after `startdate`",
            "enddate is the first day after the subscription",
        );
    }
    let is_active = fields.choice("status", status, &["draft", "active"]).unwrap_or(false);
    let auto_renew = fields.boolean("autorenew").unwrap_or(false);
    let initial_term = term(fields, "initialtermperiod", "initialterminterval");
    let renewal_term = term(fields, "renewaltermperiod", "renewalterminterval");
    let trial_end = trial_end(fields, start, end);
    let billed_through = billed_through(fields, start, is_active);
    let reference = fields.text("subscriptionreference");
    let refkey = fields.text("refkey");
    let business_unit = fields.reference("businessunit|businessunitid");
    let payment_method = fields.reference("paymentmethod|paymentmethodid");
    let discount = discount::mark(fields);
    let charges =
        fields.each("charges|subscriptioncharges", |charge, _| read_charge(charge, start, end, is_active));
    Some(WrittenSubscription {
        number: number?,
        customer: customer?,
        plan: plan?,
        currency: currency.map(|c| (c, Ref { name: c.code().to_owned(), place: currency_place })),
        start: start?,
        end,
        is_active,
        auto_renew,
        initial_term,
        renewal_term,
        trial_end,
        billed_through,
        reference,
        refkey,
        business_unit,
        payment_method,
        discount,
        charges: charges.into_iter().flatten().collect(),
    })
}

fn status(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "active" | "1" => Some(true),
        "draft" | "0" => Some(false),
        _ => None,
    }
}

/// A term: Upodi's 0 means that there is none.
fn term(
    fields: &mut Fields<'_, '_>,
    period_name: &'static str,
    interval_name: &'static str,
) -> Option<(TermPeriod, u32)> {
    let interval = fields.integer(interval_name, 0..=1_200).and_then(|n| u32::try_from(n).ok());
    let no_term = |text: &str| (text == "0").then_some(None);
    let parse = |text: &str| no_term(text).or_else(|| TermPeriod::parse(text).map(Some));
    let period = fields.choice(period_name, parse, TermPeriod::NAMES).flatten();
    let is_half = period.is_some() != interval.is_some_and(|n| n > 0);
    if is_half && (fields.has(period_name) != fields.has(interval_name)) {
        fields.fault(period_name, format!("and `{interval_name}` go together"));
    }
    period.zip(interval.filter(|n| *n > 0))
}

/// The trial's first day after, from `trialdays` or `trialend` (rules S3).
fn trial_end(
    fields: &mut Fields<'_, '_>,
    start: Option<NaiveDate>,
    end: Option<NaiveDate>,
) -> Option<NaiveDate> {
    let days = fields
        .integer("trialdays", 0..=TRIAL_DAYS_MAX)
        .and_then(|n| u64::try_from(n).ok())
        .filter(|n| *n > 0);
    let date = fields.date("trialend");
    let start = start?;
    if days.is_some() && date.is_some() {
        fields.fault("trialend", "and `trialdays` say the same thing: give one");
        return None;
    }
    let name = if days.is_some() { "trialdays" } else { "trialend" };
    let trial_end = days.and_then(|n| start.checked_add_days(Days::new(n))).or(date)?;
    if trial_end <= start {
        let hint = "trialend is the first day after the trial";
        fields.hinted(name, "is not after `startdate`", hint);
        return None;
    }
    if end.is_some_and(|end| trial_end > end) {
        fields
            .fault(name, format!("the trial would last until {}, beyond `enddate`", previous_day(trial_end)));
    }
    Some(trial_end)
}

/// The first day whose charges are ours, of what another system has billed so far (rules S7).
fn billed_through(
    fields: &mut Fields<'_, '_>,
    start: Option<NaiveDate>,
    is_active: bool,
) -> Option<NaiveDate> {
    let through = fields.date("billedthrough")?;
    if start.is_some_and(|start| through < start) {
        let hint =
            "it is the first day whose charges are billed here; leave it out where nothing was billed before";
        fields.hinted("billedthrough", "is before the subscription starts", hint);
        return None;
    }
    if !is_active {
        let hint = "say `\"status\": \"active\"`, or leave it out";
        fields.hinted("billedthrough", "is on a draft, of which nothing has been billed", hint);
        return None;
    }
    Some(through)
}

fn read_charge(
    fields: &mut Fields<'_, '_>,
    subscription_start: Option<NaiveDate>,
    subscription_end: Option<NaiveDate>,
    is_active: bool,
) -> Option<WrittenCharge> {
    fields.ignore(&["id", "description"]);
    let charge = fields.required_reference("charge|sku|productplancharge|productplanchargeid");
    let amount = fields.non_negative("amount", QUANTITY);
    let unit_price = fields.non_negative("unitprice", PRICE);
    let start = fields.date("startdate");
    if start.zip(subscription_start).is_some_and(|(own, whole)| own < whole) {
        fields.fault("startdate", "is before the subscription starts");
    }
    if start.zip(subscription_end).is_some_and(|(own, end)| own >= end) {
        fields.fault("startdate", "is not before the subscription ends");
    }
    let billed_through = billed_through(fields, subscription_start, is_active);
    let discount = discount::mark(fields);
    Some(WrittenCharge { charge: charge?, amount, unit_price, start, billed_through, discount })
}
