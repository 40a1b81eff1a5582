//! One verb on every subscription of a table: a price rise, another plan, an end. All of them or none: every fault of
//! every line is told at once, and the audit log has one act.
//!
//! One transaction, so that a crash leaves nothing; done twice it is refused by the states that it led to, or sets what is
//! set already.

use crate::act::{Act, Mode};
use crate::context::{Context, catalogue};
use crate::files::sheet::{Cells, Table};
use crate::refusal::Stop;
use crate::subscriptions::change::{lock_code, methods};
use crate::subscriptions::told;
use anyhow::Context as _;
use chrono::NaiveDate;
use domain::audit::{Action, Object};
use domain::billing::PayerBook;
use domain::catalogue::Catalogue;
use domain::ids::{CustomerId, SubscriptionId};
use domain::money::{Currency, Money};
use domain::refusal::{Code, Fault, Refusal};
use domain::subscription::{
    ActContext, EFFECTIVE, Request, Subscription, Timeline, VerbName, act as done_by,
};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use store::{Tx, book, payer};

/// Payers whose books are looked at together.
const TOGETHER: usize = 200;
/// Changes that are told one by one.
const TOLD_MAX: usize = 1_000;
/// Columns in which a comma may stand for the decimal point.
const NUMBERS: [&str; 5] = ["amount", "quantity", "unitprice", "price", "customprice"];

/// A verb and the arguments that all lines share.
#[derive(Debug, Clone)]
pub struct Bulk {
    pub verb: String,
    pub arguments: Map<String, Value>,
    /// Day on which it takes effect; the day on which it is done unless given here or in a line.
    pub effective: Option<NaiveDate>,
}

/// What was changed, or would be.
#[derive(Debug, Clone, Serialize)]
pub struct BulkDone {
    pub verb: &'static str,
    pub on: NaiveDate,
    pub lines: u64,
    pub subscriptions: u64,
    pub totals: Vec<PerMonth>,
    /// One by one, if they are not too many.
    pub changes: Vec<ChangedTo>,
}

/// What the subscriptions of one currency come to per month: recurring charges, before discounts and VAT.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PerMonth {
    #[serde(rename = "currencycode")]
    pub currency: Currency,
    pub subscriptions: u64,
    #[serde(serialize_with = "decimal")]
    pub before: Money,
    #[serde(serialize_with = "decimal")]
    pub after: Money,
}

/// One of them, on the first day on which the change holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangedTo {
    #[serde(rename = "subscriptionnumber")]
    pub number: String,
    pub from: NaiveDate,
    #[serde(rename = "currencycode")]
    pub currency: Currency,
    #[serde(serialize_with = "decimal")]
    pub before: Money,
    #[serde(serialize_with = "decimal")]
    pub after: Money,
}

fn decimal<S: serde::Serializer>(money: &Money, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&money.decimal())
}

/// A line that was read.
struct BulkLine<'s> {
    cells: Cells<'s>,
    request: Request,
    effective: NaiveDate,
}

/// The lines of one subscription, in their order.
struct Group<'s> {
    id: SubscriptionId,
    asked: Vec<BulkLine<'s>>,
}

/// Changes every subscription of the table, or says what that would be.
pub async fn bulk(
    ctx: &Context,
    act: &Act,
    sheet: &Table,
    bulk: &Bulk,
    mode: Mode,
) -> Result<BulkDone, Stop> {
    let verb = verb(&bulk.verb)?;
    sheet.expect_some(&["subscription"])?;
    let mut tx = mode.begin(ctx).await?;
    let mut faults = Vec::new();
    let by_number = read(sheet, bulk, act.on, &mut faults)?;
    let groups = resolved(&mut tx, by_number, mode, &mut faults).await?;
    let catalogue = catalogue(&mut tx).await?;
    if mode == Mode::Change {
        let codes: BTreeSet<&str> =
            groups.values().flatten().flat_map(|group| &group.asked).filter_map(code).collect();
        for code in codes {
            lock_code(&mut tx, &catalogue, Some(code)).await?;
        }
    }
    let redeemed = book::all_redeemed(&mut tx).await?;
    let mut change = BulkChange {
        verb,
        catalogue: &catalogue,
        on: act.on,
        mode,
        redeemed,
        faults,
        done: Totals::default(),
    };
    change.all(&mut tx, groups).await?;
    sheet.refuse(change.faults)?;
    let done = change.done.told(verb, act.on, sheet.rows().len());
    if mode == Mode::Change {
        let detail = serde_json::json!({
            "on": act.on, "effective": bulk.effective, "arguments": bulk.arguments, "file": sheet.name,
            "sha256": sheet.sha256, "lines": done.lines, "subscriptions": done.subscriptions, "totals": done.totals,
        });
        ctx.note(&mut tx, &act.actor, Action::ChangeSubscriptions(verb), Object::Subscriptions, detail)
            .await?;
        tx.commit().await?;
    }
    Ok(done)
}

fn verb(name: &str) -> Result<VerbName, Refusal> {
    VerbName::parse(name).ok_or_else(|| {
        let names: Vec<&str> = VerbName::ALL.iter().map(|verb| verb.name()).collect();
        Refusal::new(Code::UnknownVerb, format!("there is no verb `{name}` of subscriptions"))
            .hint(format!("one of {}", names.join(", ")))
    })
}

fn code<'a>(asked: &'a BulkLine<'_>) -> Option<&'a str> {
    match &asked.request {
        Request::ApplyDiscount { code, .. } => Some(code),
        _ => None,
    }
}

/// The lines by subscription. What cannot be read is a fault; whether it can be done is asked later.
fn read<'s>(
    sheet: &'s Table,
    bulk: &Bulk,
    on: NaiveDate,
    faults: &mut Vec<Fault>,
) -> Result<BTreeMap<&'s str, Vec<BulkLine<'s>>>, Refusal> {
    let columns: Vec<&str> = sheet.columns().filter(|column| *column != "subscription").collect();
    if let Some(twice) = columns.iter().find(|column| bulk.arguments.contains_key(**column)) {
        let message = format!("`{twice}` is said for all lines, and is a column of {} too", sheet.name);
        return Err(Refusal::new(Code::BadArgument, message).hint("say it in one place"));
    }
    let mut by_number: BTreeMap<&str, Vec<BulkLine<'_>>> = BTreeMap::new();
    for cells in sheet.rows() {
        let Some(number) = cells.text("subscription") else {
            faults.push(cells.fault("subscription", "is missing"));
            continue;
        };
        let mut arguments = bulk.arguments.clone();
        let mut effective = bulk.effective;
        for column in &columns {
            let is_number = NUMBERS.contains(column);
            let text = if is_number { cells.number(column) } else { cells.text(column).map(str::to_owned) };
            let Some(text) = text else { continue };
            if !EFFECTIVE.contains(column) {
                arguments.insert((*column).to_owned(), Value::String(text));
            } else if let Ok(day) = text.parse() {
                effective = Some(day);
            } else {
                faults.push(cells.fault(column, format!("`{text}` is not a date like 2026-01-31")));
            }
        }
        match Request::read(&bulk.verb, &arguments) {
            Ok(request) => {
                let asked = BulkLine { cells, request, effective: effective.unwrap_or(on) };
                by_number.entry(number).or_default().push(asked);
            }
            Err(refusal) => faults.push(cells.refused(refusal)),
        }
    }
    Ok(by_number)
}

/// The lines by payer, whose books stay as they are where something is done.
async fn resolved<'s>(
    tx: &mut Tx,
    by_number: BTreeMap<&'s str, Vec<BulkLine<'s>>>,
    mode: Mode,
    faults: &mut Vec<Fault>,
) -> Result<BTreeMap<CustomerId, Vec<Group<'s>>>, Stop> {
    let numbers: Vec<String> = by_number.keys().map(|number| (*number).to_owned()).collect();
    let known = owners(tx, &numbers).await?;
    if mode == Mode::Change {
        let payers: BTreeSet<CustomerId> = known.values().map(|(_, payer)| *payer).collect();
        payer::lock(tx, &payers.into_iter().collect::<Vec<_>>()).await?;
        if owners(tx, &numbers).await? != known {
            return Err(Refusal::new(Code::Moved, "a load moved subscriptions to another payer meanwhile")
                .hint("run the same command again")
                .into());
        }
    }
    let mut groups: BTreeMap<CustomerId, Vec<Group<'_>>> = BTreeMap::new();
    for (number, asked) in by_number {
        match known.get(number) {
            Some((id, payer)) => groups.entry(*payer).or_default().push(Group { id: *id, asked }),
            None => faults.extend(asked.iter().map(|asked| {
                asked.cells.fault("subscription", format!("there is no subscription `{number}`"))
            })),
        }
    }
    Ok(groups)
}

/// Id and payer of each subscription, by number.
async fn owners(
    tx: &mut Tx,
    numbers: &[String],
) -> anyhow::Result<HashMap<String, (SubscriptionId, CustomerId)>> {
    let mut known = HashMap::with_capacity(numbers.len());
    for some in numbers.chunks(TOGETHER * 10) {
        let found = book::owners_called(tx, some).await?;
        known.extend(found.into_iter().map(|(number, id, payer)| (number, (id, payer))));
    }
    Ok(known)
}

/// Where lines are done.
struct BulkChange<'a> {
    verb: VerbName,
    catalogue: &'a Arc<Catalogue>,
    on: NaiveDate,
    mode: Mode,
    /// How often each code has been applied, by this table too.
    redeemed: BTreeMap<String, u32>,
    faults: Vec<Fault>,
    done: Totals,
}

impl BulkChange<'_> {
    /// Payer by payer, some at a time. After the first fault nothing more is written, and all is judged.
    async fn all(
        &mut self,
        tx: &mut Tx,
        mut groups: BTreeMap<CustomerId, Vec<Group<'_>>>,
    ) -> anyhow::Result<()> {
        let payers: Vec<CustomerId> = groups.keys().copied().collect();
        for some in payers.chunks(TOGETHER) {
            let (mut changed, mut events) = (Vec::new(), Vec::new());
            for book in payer::books(tx, some, self.catalogue).await? {
                for group in groups.remove(&book.payer).unwrap_or_default() {
                    if let Some((before, after)) = self.one(&book, &group)? {
                        events.extend(told::events(self.verb, before, &after));
                        changed.push(after);
                    }
                }
            }
            if self.mode == Mode::Change && self.faults.is_empty() {
                book::save_subscriptions(tx, &changed).await?;
                store::outbox::tell(tx, &events).await?;
            }
        }
        Ok(())
    }

    /// Does the lines of one subscription; none if one of them is refused.
    fn one<'b>(
        &mut self,
        book: &'b PayerBook,
        group: &Group<'_>,
    ) -> anyhow::Result<Option<(&'b Subscription, Subscription)>> {
        let before = book.subscriptions.get(&group.id).context("the payer's book has it")?;
        let methods = methods(book, before.customer);
        let mut after = before.clone();
        let mut is_sound = true;
        for asked in &group.asked {
            let context = ActContext {
                catalogue: self.catalogue,
                billed: &book.billed,
                methods: &methods,
                redeemed: &self.redeemed,
            };
            match done_by(&after, &context, &asked.request, asked.effective, self.on) {
                Ok(changed) => after = changed,
                Err(refusal) => {
                    self.faults.push(asked.cells.refused(refusal));
                    is_sound = false;
                    continue;
                }
            }
            if let Some(code) = code(asked) {
                *self.redeemed.entry(code.to_owned()).or_default() += 1;
            }
        }
        if !is_sound {
            return Ok(None);
        }
        self.done.add(before, &after, self.catalogue)?;
        Ok(Some((before, after)))
    }
}

/// What all come to.
#[derive(Default)]
struct Totals {
    subscriptions: u64,
    /// Subscriptions, before, after.
    by_currency: BTreeMap<Currency, (u64, i64, i64)>,
    changes: Vec<ChangedTo>,
}

impl Totals {
    /// On the first day on which all that was done holds.
    fn add(
        &mut self,
        before: &Subscription,
        after: &Subscription,
        catalogue: &Catalogue,
    ) -> anyhow::Result<()> {
        let acts = &after.acts[before.acts.len().min(after.acts.len())..];
        let from = acts.iter().map(|act| act.on.max(act.done)).max().context("a verb without an act")?;
        let currency = before.currency;
        let per_month = |subscription: &Subscription| {
            let timeline = Timeline::known(subscription, catalogue, from, from)?;
            let minor = timeline.per_month_minor(from).context("more per month than an amount holds")?;
            anyhow::Ok(minor)
        };
        let (was, is) = (per_month(before)?, per_month(after)?);
        self.subscriptions += 1;
        let sum = self.by_currency.entry(currency).or_default();
        *sum = (sum.0 + 1, sum.1.saturating_add(was), sum.2.saturating_add(is));
        if self.changes.len() <= TOLD_MAX {
            let (before_money, after_money) = (Money::new(was, currency), Money::new(is, currency));
            let number = before.number.clone();
            self.changes.push(ChangedTo { number, from, currency, before: before_money, after: after_money });
        }
        Ok(())
    }

    fn told(mut self, verb: VerbName, on: NaiveDate, lines: usize) -> BulkDone {
        if self.changes.len() > TOLD_MAX {
            self.changes.clear();
        }
        self.changes.sort_by(|a, b| a.number.cmp(&b.number));
        let totals =
            self.by_currency.into_iter().map(|(currency, (subscriptions, before, after))| PerMonth {
                currency,
                subscriptions,
                before: Money::new(before, currency),
                after: Money::new(after, currency),
            });
        BulkDone {
            verb: verb.name(),
            on,
            lines: u64::try_from(lines).unwrap_or(u64::MAX),
            subscriptions: self.subscriptions,
            totals: totals.collect(),
            changes: self.changes,
        }
    }
}
