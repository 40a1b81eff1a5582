//! Verbs on invoices: book, cancel, create, credit, edit, markdelivered, markpaid, recharge, refund, send, writeoff (rules I4, I7, Y4, Y5).

use super::collecting;
use super::settling;
use super::world::{Document, World};
use super::{running, steps};
use crate::billing::{
    self, BilledLine, CreditLine, CreditScope, EarlierCredits, ReopenedLine, custom_draft, edited,
};
use crate::book_file::{read_custom_invoice, read_draft_edit};
use crate::decimal::{Digits, parse};
use crate::exact::Exact;
use crate::ids::CustomerId;
use crate::invoice::verbs::{self, Books};
use crate::invoice::{Invoice, InvoiceStatus, LineKey};
use crate::money::Currency;
use crate::refusal::{Code, Refusal};
use crate::subscription::Arguments;
use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Amounts as people write them.
const AMOUNT: Digits = Digits { integer_digits: 15, scale: 4 };

/// Does a verb on the invoice that the step names.
///
/// # Errors
/// If there is no such invoice or verb, or it cannot be done.
pub(super) fn act(
    world: &mut World,
    verb: &str,
    step: &Map<String, Value>,
    on: NaiveDate,
) -> Result<(), Refusal> {
    let arguments = Arguments::of(step);
    if let Some(Value::Object(custom)) = arguments.value(&["invoice"]) {
        if !verb.eq_ignore_ascii_case("create") {
            let message = format!("`{verb}` wants the number or the place of an invoice");
            return Err(
                Refusal::new(Code::BadArgument, message).hint("an invoice as an object is for `create`")
            );
        }
        arguments.refuse_others(&[])?;
        return create(world, custom, on);
    }
    let name = arguments.required(&["invoice"], arguments.text(&["invoice"]))?;
    let at = world.document(&name)?;
    arguments.refuse_others(match verb.to_ascii_lowercase().as_str() {
        "cancel" => &["release"],
        "credit" => &["lines", "rebill"],
        "edit" => &["reference", "paymentterm", "lines"],
        "markpaid" => &["paymentdate", "date", "amount", "despite_pending", "despite-pending"],
        "refund" => &["date", "amount", "by_hand", "by-hand"],
        "writeoff" => &["date", "amount"],
        _ => &[],
    })?;
    match verb.to_ascii_lowercase().as_str() {
        "book" => book(world, at, on),
        "cancel" => cancel(world, at, arguments.flag(&["release"])?.unwrap_or(false)),
        "credit" => {
            let rebill = arguments.flag(&["rebill"])?.unwrap_or(false);
            let scope = scope(step, &booked(world, at)?)?;
            credit(world, at, &scope, rebill, on).map(drop)
        }
        "edit" => edit(world, at, step),
        "markpaid" => {
            let date = arguments.date(&["paymentdate", "date"])?.unwrap_or(on);
            let overrules = arguments.flag(&["despite_pending", "despite-pending"])?.unwrap_or(false);
            settling::mark_paid(world, at, amount(&arguments)?, (date, overrules))
        }
        "recharge" => collecting::recharge(world, at, on),
        "refund" => {
            let date = arguments.date(&["date"])?.unwrap_or(on);
            settling::refund(world, at, amount(&arguments)?, date)
        }
        "send" | "markdelivered" => booked(world, at).map(drop), // nothing is mailed in memory
        "writeoff" => {
            let date = arguments.date(&["date"])?.unwrap_or(on);
            settling::write_off(world, at, amount(&arguments)?, date)
        }
        other => {
            let message = format!("there is no verb `{other}` of invoices");
            Err(Refusal::new(Code::UnknownVerb, message).hint(
                "one of book, cancel, create, credit, edit, markdelivered, markpaid, recharge, refund, send, writeoff",
            ))
        }
    }
}

/// The draft of an invoice that a person writes, in the form of `invoices create`; its day is the step's unless it
/// says another.
fn create(world: &mut World, custom: &Map<String, Value>, on: NaiveDate) -> Result<(), Refusal> {
    let mut custom = custom.clone();
    if !["date", "invoicedate"].iter().any(|name| custom.keys().any(|key| key.eq_ignore_ascii_case(name))) {
        custom.insert("date".to_owned(), Value::String(on.to_string()));
    }
    let text = Value::Object(custom).to_string();
    let custom =
        read_custom_invoice("invoice", &text).map_err(|faults| steps::refused(Code::BadArgument, &faults))?;
    let unknown =
        || Refusal::new(Code::UnknownCustomer, format!("there is no customer `{}`", custom.account_number));
    let owner = world.known.customers.get(&custom.account_number).ok_or_else(unknown)?.id;
    let draft = custom_draft(&world.book_of(owner)?, &custom)?;
    let is_there = |document: &Document| {
        document.draft.id == draft.id && document.settlement.status != InvoiceStatus::Cancelled
    };
    if world.documents.iter().any(is_there) {
        let message =
            format!("this invoice to {} of {} is there already", draft.account_number, draft.invoice_date);
        return Err(Refusal::new(Code::Exists, message).hint("give the second one a `refkey` of its own"));
    }
    world.documents.push(Document::draft(draft));
    Ok(())
}

/// rules I4: a draft is changed before it is booked, in the form of `invoices edit`.
fn edit(world: &mut World, at: usize, step: &Map<String, Value>) -> Result<(), Refusal> {
    let document = &world.documents[at];
    if !document.is_draft() {
        return Err(not_a_draft(document, "changed"));
    }
    let is_own =
        |name: &String| ["reference", "paymentterm", "lines"].contains(&name.to_lowercase().as_str());
    let asked: Map<String, Value> = step
        .iter()
        .filter(|(name, _)| is_own(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let edit = read_draft_edit("edit", &Value::Object(asked).to_string())
        .map_err(|faults| steps::refused(Code::BadArgument, &faults))?;
    let draft = document.draft.clone();
    let edited = edited(&world.book_of(draft.payer)?, &draft, &edit)?;
    world.documents[at].draft = edited.draft;
    let lines = world.documents[at].draft.lines.clone();
    for billed in world.billed.values_mut().flatten() {
        if let Some(line) = lines.iter().find(|line| billed.line == Some(line.id)) {
            (billed.priced_minor, billed.vat_minor) = (line.priced_minor(), line.vat_minor);
        }
    }
    waive(world, |line| line.line.is_some_and(|id| edited.removed.contains(&id)));
    Ok(())
}

/// Billed lines that nobody pays stay taken.
fn waive(world: &mut World, is_waived: impl Fn(&BilledLine) -> bool) {
    for line in world.billed.values_mut().flatten().filter(|line| is_waived(line)) {
        world.waived.insert(line.key.clone());
        (line.invoice, line.line, line.net_minor) = (None, None, 0);
    }
}

fn book(world: &mut World, at: usize, on: NaiveDate) -> Result<(), Refusal> {
    let document = &world.documents[at];
    if !document.is_draft() {
        return Err(not_a_draft(document, "booked"));
    }
    let aside = document.set_aside.clone().or_else(|| unbookable(world, at));
    if let Some(reason) = aside {
        let message = format!("the draft cannot be booked: {reason}");
        return Err(Refusal::new(Code::SetAside, message).hint("cancel it with `release` and run again"));
    }
    running::book(world, &[at], on)?;
    collecting::at_booking(world, &[at], on);
    Ok(())
}

/// Why a draft is not booked: its payer's book changed since, or its sums disagree.
pub(super) fn unbookable(world: &World, at: usize) -> Option<String> {
    let draft = &world.documents[at].draft;
    if draft.revision != world.revision(draft.payer) {
        return Some("changed since draft".to_owned());
    }
    billing::check(draft).err().map(|fault| fault.to_string())
}

/// rules I4: cancelling a draft waives its periods unless they are released.
fn cancel(world: &mut World, at: usize, release: bool) -> Result<(), Refusal> {
    let document = &mut world.documents[at];
    if !document.is_draft() {
        return Err(not_a_draft(document, "cancelled"));
    }
    document.settlement.status = InvoiceStatus::Cancelled;
    let id = document.id();
    if release {
        world.billed.values_mut().for_each(|lines| lines.retain(|line| line.invoice != Some(id)));
    }
    waive(world, |line| line.invoice == Some(id));
    Ok(())
}

fn not_a_draft(document: &Document, wanted: &str) -> Refusal {
    let (what, hint) = match &document.booked {
        Some(invoice) => (format!("{} is booked", invoice.number), "credit it instead"),
        None => ("the draft is cancelled".to_owned(), "run again to make a new one"),
    };
    Refusal::new(Code::Conflict, format!("{what} and cannot be {wanted}")).hint(hint)
}

fn booked(world: &World, at: usize) -> Result<Invoice, Refusal> {
    world.documents[at].booked.clone().ok_or_else(settling::not_booked)
}

/// Makes and books a credit note, and sets it against its invoice first, then against the oldest open ones. Whether there is a
/// note: what was credited before may only be billed again.
///
/// # Errors
/// If there is nothing to credit, or too much is asked for.
pub(super) fn credit(
    world: &mut World,
    at: usize,
    scope: &CreditScope,
    rebill: bool,
    on: NaiveDate,
) -> Result<bool, Refusal> {
    let invoice = booked(world, at)?;
    let all = world.documents.iter().filter_map(|document| document.booked.as_ref());
    let notes = verbs::notes_on(&invoice, all).count();
    let credited = world.credited();
    let standing = EarlierCredits { credited: &credited, notes };
    let asked = verbs::Credit { scope, rebill, on, run_ordinal: world.newest_run() };
    let catalogue = world.catalogue()?.clone();
    let made = verbs::credit_draft(&invoice, asked, standing, &world.billed, &catalogue)?;
    let has_note = made.note.is_some();
    if let Some(draft) = made.note {
        let begins = || billing::first_sequence(&catalogue, &draft) - 1;
        let sequence = world.sequences.get(&draft.series).copied().unwrap_or_else(begins) + 1;
        let series = draft.series.clone();
        let books = Books { catalogue: &catalogue, calendar: world.calendar };
        let noted = settling::with_account(world, at, |account| {
            verbs::credit(account, draft.clone(), sequence, on, books)
        });
        let verbs::Noted { note, booked, credited } = noted.ok_or_else(settling::not_booked)??;
        world.sequences.insert(series, sequence);
        world.documents.push(Document::draft(draft));
        let place = world.documents.len() - 1;
        settling::keep_booked(world, place, note, booked);
        if let Some(credited) = credited {
            settling::apply(world, at, credited);
        }
        settling::meet_write_offs(world, place, on)?;
        settling::set_off(world, invoice.draft.payer, on);
    }
    reopen(world, &made.reopens, on);
    Ok(has_note)
}

/// rules I4: what was billed is due again.
fn reopen(world: &mut World, keys: &[LineKey], on: NaiveDate) {
    let of_key = |line: &&BilledLine| keys.contains(&line.key);
    let reopened: BTreeSet<_> =
        world.billed.values().flatten().filter(of_key).map(|l| l.subscription).collect();
    let owners = world.known.subscriptions.values().filter(|s| reopened.contains(&s.id)).map(|s| s.customer);
    let owners: BTreeSet<CustomerId> = owners.collect();
    world.change_bills_of(&owners);
    for key in keys {
        let Some(lines) = world.billed.get_mut(&key.charge) else { continue };
        let gone = lines.extract_if(.., |line| line.key == *key).map(|line| ReopenedLine { line, on });
        world.reopened.entry(key.charge).or_default().extend(gone);
    }
}

fn scope(step: &Map<String, Value>, invoice: &Invoice) -> Result<CreditScope, Refusal> {
    let Some(lines) = step.get("lines").filter(|lines| !lines.is_null()) else {
        return Ok(CreditScope::Whole);
    };
    let Some(lines) = lines.as_array() else {
        return Err(Refusal::new(Code::BadArgument, "`lines` is a list of {line, amount}"));
    };
    let currency = invoice.draft.currency;
    let read = |line: &Value| {
        let bad = || {
            Refusal::new(
                Code::BadArgument,
                format!("{line} is not a line: {{\"line\": 1, \"amount\": \"10.00\"}}"),
            )
        };
        if let Some(number) = line.as_u64() {
            let number = u32::try_from(number).map_err(|_| bad())?;
            return Ok(CreditLine { number, amount_minor: None });
        }
        let map = line.as_object().ok_or_else(bad)?;
        let arguments = Arguments::of(map);
        let number =
            arguments.text(&["line", "linenumber", "number"]).and_then(|n| n.parse().ok()).ok_or_else(bad)?;
        let amount_minor =
            arguments.text(&["amount", "subtotal"]).map(|text| minor(&text, currency)).transpose()?;
        Ok(CreditLine { number, amount_minor })
    };
    Ok(CreditScope::Lines(lines.iter().map(read).collect::<Result<_, Refusal>>()?))
}

/// Minor units of an amount that has no more decimals than its currency.
pub(super) fn minor(text: &str, currency: Currency) -> Result<i64, Refusal> {
    let bad = || Refusal::new(Code::BadArgument, format!("`{text}` is not an amount of {currency}"));
    let amount = Exact::of(parse(text, AMOUNT).map_err(|_| bad())?);
    let minor = amount.checked_round_half_away(currency.decimals()).ok_or_else(bad)?;
    if Exact::of_minor(minor, currency) == amount { Ok(minor) } else { Err(bad()) }
}

/// An amount as it is written; whether it fits is for the verb to say.
fn amount(arguments: &Arguments<'_>) -> Result<Option<Decimal>, Refusal> {
    let Some(text) = arguments.text(&["amount"]) else { return Ok(None) };
    let bad = |_| Refusal::new(Code::BadArgument, format!("`{text}` is not an amount"));
    parse(&text, AMOUNT).map(Some).map_err(bad)
}
