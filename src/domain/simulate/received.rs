//! Money that comes to the bank in memory: entries are placed as an import places them (rules Y5, Y6).

use super::debits;
use super::settling::{self, happen, with_account};
use super::steps::StepAnswer;
use super::world::World;
use crate::bank::{
    Candidate, Candidates, EntryIds, Placing, Received, WhyNot, open_or_newest, place, possible_numbers,
    possible_references, spread,
};
use crate::direct_debit::SEPA;
use crate::ids::{CustomerId, InvoiceId};
use crate::invoice::account;
use crate::invoice::verbs;
use crate::money::Money;
use crate::payment::{AttemptState, under_way};
use crate::refusal::{Code, Refusal};
use crate::subscription::Arguments;
use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Money that came, and what is left of it.
#[derive(Debug, Clone)]
pub(super) struct Waiting {
    pub entry: Received,
    pub left_minor: i64,
    pub proposed: Option<usize>,
}

/// Places what is new of the step's entries.
///
/// # Errors
/// If an entry cannot be read; nothing of them is taken then.
pub(super) fn import(
    world: &mut World,
    step: &Map<String, Value>,
    on: NaiveDate,
) -> Result<StepAnswer, Refusal> {
    let arguments = Arguments::of(step);
    arguments.refuse_others(&["payments", "entries", "returned"])?;
    let returned = arguments.value(&["returned"]).and_then(Value::as_array);
    let none = Vec::new();
    let entries = arguments.value(&["entries"]).and_then(Value::as_array).or(returned.map(|_| &none));
    let entries = entries.ok_or_else(|| {
        let hint = "for example `\"entries\": [{\"amount\": \"99.50\", \"text\": \"INV-0000001\"}]`";
        Refusal::new(Code::MissingArgument, "`entries` is a list of what came").hint(hint)
    })?;
    let mut ids = EntryIds::default();
    let read: Result<Vec<(Received, Option<String>)>, Refusal> =
        entries.iter().map(|entry| received(world, entry, on, &mut ids)).collect();
    let (read, mut answers, mut later) = (read?, Vec::new(), Vec::new());
    let went_back = debits::returned(world, returned.unwrap_or(&none), on)?;
    for (entry, debit) in read {
        if let Some(debit) = debit {
            let came = (entry.amount_minor, entry.currency, entry.booked_on);
            if let Some(answer) = debits::carried_out(world, &debit, came)? {
                answers.push(answer);
                continue;
            }
        }
        if world.received.iter().any(|known| known.entry.id == entry.id) {
            answers.push(json!({"state": "known"}));
            continue;
        }
        let left_minor = entry.amount_minor;
        world.received.push(Waiting { entry, left_minor, proposed: None });
        let at = world.received.len() - 1;
        match named(world, at) {
            Some(placing) => answers.push(carry_out(world, at, placing)?),
            None => {
                later.push((answers.len(), at));
                answers.push(Value::Null);
            }
        }
    }
    for (answer, at) in later {
        let placing = of_amount(world, at);
        answers[answer] = carry_out(world, at, placing)?;
    }
    let mut said = StepAnswer::new();
    said.insert("received".to_owned(), Value::Array(answers));
    if returned.is_some() {
        said.insert("returned".to_owned(), Value::Array(went_back));
    }
    Ok(said)
}

/// Money that came, and the invoice whose debit the bank says that it is.
fn received(
    world: &World,
    entry: &Value,
    on: NaiveDate,
    ids: &mut EntryIds,
) -> Result<(Received, Option<String>), Refusal> {
    let entry = entry
        .as_object()
        .ok_or_else(|| Refusal::new(Code::Malformed, "an entry is a JSON object with an `amount`"))?;
    let arguments = Arguments::of(entry);
    let known = ["amount", "currency", "date", "name", "from", "reference", "text", "id", "debit"];
    arguments.refuse_others(&known)?;
    let text = |name: &'static str| arguments.text(&[name]);
    let base = world.catalogue()?.tenant.currency;
    let currency = match text("currency") {
        Some(code) => code
            .parse()
            .map_err(|_| Refusal::new(Code::BadArgument, format!("`{code}` is not a currency")))?,
        None => base,
    };
    let amount = arguments.required(&["amount"], text("amount"))?;
    let amount: Decimal =
        amount.parse().map_err(|_| Refusal::new(Code::Amount, format!("`{amount}` is not an amount")))?;
    let mut received = Received {
        id: Uuid::nil(),
        account: "bank".to_owned(),
        booked_on: arguments.date(&["date"])?.unwrap_or(on),
        amount_minor: account::minor(amount, currency)?,
        currency,
        name: text("name"),
        from: text("from"),
        reference: text("reference"),
        text: text("text").unwrap_or_default(),
        bank_reference: text("id"),
    };
    ids.give(&mut received);
    Ok((received, text("debit")))
}

/// What is booked, as money may be for it.
fn candidates(world: &World) -> Vec<(usize, Option<String>, Candidate)> {
    let booked = world.documents.iter().enumerate().filter_map(|(at, document)| {
        let invoice = document.booked.as_ref()?;
        let is_pending =
            |a: &crate::payment::Attempt| (a.invoice, a.state) == (document.id(), AttemptState::Pending);
        let candidate = Candidate {
            id: document.id(),
            number: invoice.number.clone(),
            payer: invoice.draft.payer,
            buyer: invoice.draft.buyer.name.clone(),
            currency: invoice.draft.currency,
            open_minor: document.settlement.open_minor(invoice.draft.gross_minor()),
            is_credit_note: invoice.draft.is_credit_note,
            is_under_way: world.transactions.iter().any(|t| is_pending(&t.attempt)),
        };
        let reference = invoice.payment_reference.as_ref().map(|own| own.reference.clone());
        Some((at, reference, candidate))
    });
    booked.collect()
}

fn named(world: &World, at: usize) -> Option<Placing> {
    let entry = &world.received[at].entry;
    let all = candidates(world);
    let references = possible_references(entry);
    let referred = references.iter().filter_map(|reference| {
        all.iter().find(|(_, own, _)| own.as_ref() == Some(reference)).map(|(_, _, candidate)| candidate)
    });
    let referred: Vec<&Candidate> = referred.collect();
    let mut named: Vec<&Candidate> = Vec::new();
    for number in possible_numbers(entry) {
        let found =
            all.iter().map(|(_, _, candidate)| candidate).find(|candidate| candidate.number == number);
        let is_new = |found: &&Candidate| !named.iter().any(|other| other.id == found.id);
        let found = found.filter(|found| found.is_meant_by(entry) && is_new(found));
        named.extend(found);
    }
    let found = Candidates { referred, named, same_amount: Vec::new() };
    (!found.referred.is_empty() || !found.named.is_empty()).then(|| place(entry, &found))
}

fn of_amount(world: &World, at: usize) -> Placing {
    let entry = &world.received[at].entry;
    let all = candidates(world);
    let same = all
        .iter()
        .map(|(_, _, candidate)| candidate)
        .filter(|c| (c.open_minor, c.currency) == (entry.amount_minor, entry.currency) && !c.is_credit_note);
    place(entry, &Candidates { same_amount: same.collect(), ..Candidates::default() })
}

fn carry_out(world: &mut World, at: usize, placing: Placing) -> Result<Value, Refusal> {
    let payment = at + 1;
    let of = |world: &World, id| world.documents.iter().position(|document| document.id() == id);
    match placing {
        Placing::Sure(parts) => {
            for (id, amount_minor) in parts {
                if let Some(document) = of(world, id) {
                    put(world, at, document, amount_minor)?;
                }
            }
            Ok(json!({"payment": payment, "state": "placed"}))
        }
        Placing::Likely(id, why) => {
            world.received[at].proposed = of(world, id);
            let booked = world.received[at].proposed.and_then(|at| world.documents[at].booked.as_ref());
            let number = booked.map(|invoice| invoice.number.clone());
            Ok(json!({"payment": payment, "state": "likely", "why": why.name(), "proposed": number}))
        }
        Placing::Open(why) => Ok(json!({"payment": payment, "state": "open", "why": WhyNot::name(why)})),
    }
}

fn put(world: &mut World, at: usize, document: usize, amount_minor: i64) -> Result<(), Refusal> {
    let on = world.received[at].entry.booked_on;
    happen(world, document, |account, books| verbs::paid_by_bank(account, amount_minor, on, books))?;
    world.received[at].left_minor -= amount_minor;
    Ok(())
}

/// Puts what is left of a payment on an invoice; without a payment, a payer's credit on their oldest open invoices.
///
/// # Errors
/// As the same verb of the program.
pub(super) fn allocate(world: &mut World, step: &Map<String, Value>, on: NaiveDate) -> Result<(), Refusal> {
    let arguments = Arguments::of(step);
    arguments.refuse_others(&["payments", "payment", "invoice", "customer", "amount"])?;
    if let Some(account) = arguments.text(&["customer"]) {
        let payer = payer(world, &account)?;
        if arguments.text(&["payment"]).is_some() {
            return on_oldest(world, &arguments, (payer, &account));
        }
        if settling::set_off(world, payer, on) == 0 {
            let message = format!("{account} has no credit that an open invoice in its currency could use");
            return Err(Refusal::new(Code::NothingLeft, message));
        }
        return Ok(());
    }
    let at = payment(world, &arguments)?;
    let document = match arguments.text(&["invoice"]) {
        Some(name) => world.document(&name)?,
        None => world.received[at].proposed.ok_or_else(|| {
            Refusal::new(Code::MissingArgument, "nothing says which invoice it is for")
                .hint("name an `invoice`")
        })?,
    };
    let invoice = world.documents[document].booked.as_ref();
    let invoice = invoice.ok_or_else(|| Refusal::new(Code::NotBooked, "a draft cannot be paid"))?;
    let currency = world.received[at].entry.currency;
    if invoice.draft.gross_minor() < 0 {
        return Err(Refusal::new(
            Code::CreditNote,
            format!("{} is a credit note: nobody pays it", invoice.number),
        ));
    }
    if invoice.draft.currency != currency {
        let message =
            format!("the payment is in {currency}, {} in {}", invoice.number, invoice.draft.currency);
        return Err(Refusal::new(Code::WrongCurrency, message));
    }
    let amount_minor = amount_of(world, at, &arguments)?;
    let pending = with_account(world, document, |account| account.pending().cloned()).flatten();
    match pending {
        None => put(world, at, document, amount_minor),
        Some(pending) => {
            let number = world.documents[document].booked.as_ref().map(|invoice| invoice.number.clone());
            let number = number.unwrap_or_default();
            if pending.gateway != SEPA || pending.amount_minor != amount_minor {
                return Err(under_way(&number, &pending));
            }
            let came = (amount_minor, currency, world.received[at].entry.booked_on);
            debits::carried_out(world, &number, came)?;
            world.received[at].left_minor -= amount_minor;
            Ok(())
        }
    }
}

fn amount_of(world: &World, at: usize, arguments: &Arguments<'_>) -> Result<i64, Refusal> {
    let (left_minor, currency) = (world.received[at].left_minor, world.received[at].entry.currency);
    let amount_minor = match amount(arguments)? {
        Some(amount) => account::minor(amount, currency)?,
        None => left_minor,
    };
    if amount_minor > left_minor {
        let left = Money::new(left_minor, currency);
        return Err(Refusal::new(Code::TooMuch, format!("only {left} is left of it")));
    }
    Ok(amount_minor)
}

/// On a payer's open invoices, the oldest first; what is over stays on the last, and where nothing is open on the newest.
fn on_oldest(
    world: &mut World,
    arguments: &Arguments<'_>,
    (payer, account): (CustomerId, &str),
) -> Result<(), Refusal> {
    let at = payment(world, arguments)?;
    let amount_minor = amount_of(world, at, arguments)?;
    let currency = world.received[at].entry.currency;
    let mut all: Vec<_> = world
        .documents
        .iter()
        .filter_map(|document| Some((document.booked.as_ref()?, &document.settlement)))
        .filter(|(invoice, _)| {
            let draft = &invoice.draft;
            let is_its = (draft.payer, draft.currency) == (payer, currency) && draft.gross_minor() > 0;
            is_its && !settling::is_under_way(world, draft.id)
        })
        .collect();
    all.sort_by_key(|(i, _)| (i.draft.invoice_date, i.draft.series.clone(), i.sequence));
    let standing: Vec<(InvoiceId, i64)> =
        all.iter().map(|(i, marks)| (i.draft.id, marks.open_minor(i.draft.gross_minor()))).collect();
    let open = open_or_newest(&standing);
    if open.is_empty() {
        let message = format!("{account} has no invoice in {currency} that money can be put on");
        return Err(Refusal::new(Code::UnknownInvoice, message));
    }
    for (id, amount_minor) in spread(amount_minor, &open) {
        if let Some(document) = world.documents.iter().position(|document| document.id() == id) {
            put(world, at, document, amount_minor)?;
        }
    }
    Ok(())
}

/// What is left of a payment went back; without a payment, so much of a payer's credit, the oldest first.
///
/// # Errors
/// As the same verb of the program.
pub(super) fn refund(world: &mut World, step: &Map<String, Value>, on: NaiveDate) -> Result<(), Refusal> {
    let arguments = Arguments::of(step);
    arguments.refuse_others(&["payments", "payment", "customer", "amount"])?;
    let Some(account) = arguments.text(&["customer"]) else {
        let at = payment(world, &arguments)?;
        world.received[at].left_minor = 0;
        return Ok(());
    };
    let payer = payer(world, &account)?;
    settling::refund_credit(world, payer, amount(&arguments)?, on)
}

fn amount(arguments: &Arguments<'_>) -> Result<Option<Decimal>, Refusal> {
    let text = arguments.text(&["amount"]);
    text.map(|text| {
        text.parse().map_err(|_| Refusal::new(Code::Amount, format!("`{text}` is not an amount")))
    })
    .transpose()
}

fn payer(world: &World, account: &str) -> Result<CustomerId, Refusal> {
    let found = world.known.customers.get(account);
    let unknown = || Refusal::new(Code::UnknownCustomer, format!("there is no customer {account}"));
    found.map(|customer| customer.id).ok_or_else(unknown)
}

/// The place of a payment by its number, as long as something is left of it.
fn payment(world: &World, arguments: &Arguments<'_>) -> Result<usize, Refusal> {
    let name = arguments.required(&["payment"], arguments.text(&["payment"]))?;
    let at = name.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    let unknown = || Refusal::new(Code::UnknownPayment, format!("nothing was received as payment {name}"));
    let at = at.filter(|at| *at < world.received.len()).ok_or_else(unknown)?;
    if world.received[at].left_minor == 0 {
        return Err(Refusal::new(Code::NothingLeft, format!("nothing is left of payment {name}")));
    }
    Ok(at)
}
