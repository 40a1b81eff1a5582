//! Open items of another system, taken over as documents under their own numbers (rules S7), as `invoices takeover` does with
//! the lines of a file.

use super::world::{Document, World};
use super::{documents, settling};
use crate::billing::{self, OpenItem};
use crate::catalogue::Catalogue;
use crate::decimal::{PRICE, parse};
use crate::ids::CustomerId;
use crate::invoice::verbs::{BookingFault, collected_by};
use crate::invoice::{Invoice, TAKEN_OVER};
use crate::ledger::{self, Entry};
use crate::money::Currency;
use crate::refusal::{Code, Refusal};
use crate::subscription::Arguments;
use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Takes the items of the step over, all of them or none; what was taken over before is left alone.
///
/// # Errors
/// Those of the first item that cannot be taken, with its place.
pub(super) fn act(
    world: &mut World,
    verb: &str,
    step: &Map<String, Value>,
    on: NaiveDate,
) -> Result<(), Refusal> {
    if !["takeover", "take_over"].contains(&verb.to_ascii_lowercase().as_str()) {
        let message = format!("there is no verb `{verb}` of several invoices");
        return Err(
            Refusal::new(Code::UnknownVerb, message).hint("`takeover`, or one `invoice` after another")
        );
    }
    let arguments = Arguments::of(step);
    let items = arguments.value(&["invoices"]).and_then(Value::as_array).ok_or_else(|| {
        let hint = "for example `\"invoices\": [{\"customer\": \"CU-0001\", \"number\": \"4711\", \
                    \"date\": \"2025-12-01\", \"amount\": \"125.00\"}]`";
        Refusal::new(Code::MissingArgument, "`invoices` is a list of open items").hint(hint)
    })?;
    arguments.refuse_others(&[])?;
    let catalogue = Arc::clone(world.catalogue()?);
    let mut made: Vec<(Invoice, Entry)> = Vec::new();
    for (place, item) in items.iter().enumerate() {
        let at = |refusal: Refusal| refusal.at(format!("/invoices/{place}"));
        let invoice = document(world, &catalogue, item, on).map_err(at)?;
        let Some(mut invoice) = invoice else { continue };
        if made.iter().any(|(other, _)| other.number == invoice.number) {
            return Err(at(Refusal::new(Code::Exists, format!("{} stands there twice", invoice.number))));
        }
        let before = world.sequences.get(TAKEN_OVER).copied().unwrap_or_default();
        invoice.sequence = before + u64::try_from(made.len()).unwrap_or_default() + 1;
        let entry = ledger::opening_entry(&invoice, &catalogue, world.calendar.open_from);
        made.push((invoice, entry.map_err(BookingFault::from)?));
    }
    keep(world, &catalogue, made, on);
    Ok(())
}

fn keep(world: &mut World, catalogue: &Catalogue, made: Vec<(Invoice, Entry)>, on: NaiveDate) {
    let payers: BTreeSet<CustomerId> = made.iter().map(|(invoice, _)| invoice.draft.payer).collect();
    for (invoice, entry) in made {
        let policy = catalogue.dunning_policy(invoice.draft.dunning_policy.as_deref());
        let payer = world.customer(invoice.draft.payer);
        let is_collected =
            payer.is_some_and(|payer| collected_by(&invoice, payer, &world.unhealthy, on).is_some());
        let is_dunned = policy.is_for_manual || is_collected;
        let settlement = billing::taken_over_marks(&invoice, &policy, is_dunned, on);
        world.sequences.insert(TAKEN_OVER.to_owned(), invoice.sequence);
        let draft = Document::draft(invoice.draft.clone());
        world.documents.push(Document { booked: Some(invoice), settlement, ..draft });
        world.entries.push(entry);
    }
    world.known.anything_billed |= !payers.is_empty();
    for payer in payers {
        settling::set_off(world, payer, on);
    }
}

/// The document of an item; none if it was taken over before.
fn document(
    world: &World,
    catalogue: &Catalogue,
    item: &Value,
    on: NaiveDate,
) -> Result<Option<Invoice>, Refusal> {
    let item = item
        .as_object()
        .ok_or_else(|| Refusal::new(Code::Malformed, "an item is a JSON object with a `number`"))?;
    let arguments = Arguments::of(item);
    let account = arguments.required(&["customer"], arguments.text(&["customer"]))?;
    let unknown = || Refusal::new(Code::UnknownCustomer, format!("there is no customer `{account}`"));
    let owner = world.known.customers.get(&account).ok_or_else(unknown)?;
    let subscription = arguments.text(&["subscription"]);
    let item = read(&arguments, owner.currency)?;
    let book = world.book_of(owner.id)?;
    let mut booked = world.documents.iter().filter_map(|document| document.booked.as_ref());
    if let Some(known) = booked.find(|known| known.number == item.number) {
        return billing::expect_same_item(known, Some(book.payer), &item).map(|()| None);
    }
    let invoice = billing::taken_over(&book, owner.id, subscription.as_deref(), &item, (1, on))?;
    let next = |series: &str| world.sequences.get(series).map(|last| last + 1);
    billing::expect_free_number(catalogue, &item.number, next)?;
    Ok(Some(invoice))
}

fn read(arguments: &Arguments<'_>, currency: Currency) -> Result<OpenItem, Refusal> {
    let bad = |name: &str, text: &str, what: &str| {
        Refusal::new(Code::BadArgument, format!("`{name}`: `{text}` is not {what}"))
    };
    let currency = match arguments.text(&["currency"]) {
        Some(code) => code.parse().map_err(|_| bad("currency", &code, "a currency"))?,
        None => currency,
    };
    let amount = arguments.required(&["amount"], arguments.text(&["amount"]))?;
    let amount_minor = documents::minor(&amount, currency)?;
    if amount_minor == 0 {
        return Err(bad("amount", &amount, "an amount other than 0"));
    }
    let vat_pct = match arguments.text(&["vat"]) {
        None => None,
        Some(text) => {
            let pct = parse(&text, PRICE).ok();
            let is_pct = |pct: &Decimal| *pct >= Decimal::ZERO && *pct < Decimal::ONE_HUNDRED;
            Some(pct.filter(is_pct).ok_or_else(|| bad("vat", &text, "the percent of VAT in the amount"))?)
        }
    };
    let item = OpenItem {
        number: arguments.required(&["number"], arguments.text(&["number"]))?,
        date: arguments.required(&["date"], arguments.date(&["date"])?)?,
        due: arguments.date(&["due"])?,
        amount_minor,
        currency,
        title: arguments.text(&["text"]),
        vat_pct,
    };
    arguments.refuse_others(&[])?;
    if item.due.is_some_and(|due| due < item.date) {
        return Err(Refusal::new(Code::Dates, "`due` is before the date of the invoice"));
    }
    Ok(item)
}
