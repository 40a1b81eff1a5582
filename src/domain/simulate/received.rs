//! Money that comes to the bank in memory: entries are placed as an import places them (rules Y5, Y6).

use super::debits::{self, CarriedOut};
use super::settling::{self, happen, with_account};
use super::steps::StepAnswer;
use super::world::World;
use crate::bank::{
    self, Candidate, Candidates, EntryIds, Placing, Received, WhyNot, expect_payable, open_or_newest, place,
    possible_numbers, possible_references, spread,
};
use crate::ids::CustomerId;
use crate::invoice::account;
use crate::invoice::verbs;
use crate::money::Money;
use crate::payment::AttemptState;
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
    let read = entries.iter().map(|entry| received(world, entry, on, &mut ids));
    let read: Vec<(Received, Option<String>)> = read.collect::<Result<_, Refusal>>()?;
    let told = debits::read_returned(world, returned.unwrap_or(&none), on)?;
    // As of a file: first what was carried out, then what went back, then all other money.
    let mut answers = vec![json!({"state": "known"}); read.len()];
    let mut others = Vec::new();
    for (answer, (entry, debit)) in read.into_iter().enumerate() {
        if world.received.iter().any(|known| known.entry.id == entry.id) {
            continue;
        }
        let came = (entry.amount_minor, entry.currency, entry.booked_on);
        match debit.map(|debit| debits::carried_out(world, &debit, came)).transpose()? {
            Some(CarriedOut::Known) => {}
            Some(CarriedOut::Paid) => {
                world.received.push(Waiting { entry, left_minor: 0, proposed: None });
                answers[answer] = json!({"payment": world.received.len(), "state": "placed"});
            }
            Some(CarriedOut::Differs) => {
                others.push((answer, entry, Some(Placing::Open(WhyNot::DebitsDiffer))));
            }
            None => others.push((answer, entry, None)),
        }
    }
    let went_back = debits::returned(world, &told)?;
    let mut unnamed = Vec::new();
    for (answer, entry, placing) in others {
        let left_minor = entry.amount_minor;
        world.received.push(Waiting { entry, left_minor, proposed: None });
        let at = world.received.len() - 1;
        match placing.or_else(|| named(world, at)) {
            Some(placing) => answers[answer] = carry_out(world, at, placing)?,
            None => unnamed.push((answer, at)),
        }
    }
    for (answer, at) in unnamed {
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
    let debit = text("debit");
    if let Some(debit) = &debit {
        debits::find(world, debit)?;
    }
    Ok((received, debit))
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
    let amount_minor = amount_of(world, at, amount(&arguments)?)?;
    let document = match arguments.text(&["invoice"]) {
        Some(name) => world.document(&name)?,
        None => world.received[at].proposed.ok_or_else(|| {
            Refusal::new(Code::MissingArgument, "nothing says which invoice it is for")
                .hint("name an `invoice`")
        })?,
    };
    let (currency, booked_on) = (world.received[at].entry.currency, world.received[at].entry.booked_on);
    let is_debit = with_account(world, document, |account| {
        let pending = account.pending();
        let came = Money::new(amount_minor, currency);
        expect_payable(account.invoice, number_of(at), came, pending).map(|()| pending.is_some())
    });
    if !is_debit.ok_or_else(|| Refusal::new(Code::NotBooked, "a draft cannot be paid"))?? {
        return put(world, at, document, amount_minor);
    }
    let debited = settling::name(world, document);
    debits::carried_out(world, &debited, (amount_minor, currency, booked_on))?;
    world.received[at].left_minor -= amount_minor;
    Ok(())
}

fn number_of(at: usize) -> i64 {
    i64::try_from(at + 1).unwrap_or(i64::MAX)
}

fn amount_of(world: &World, at: usize, asked: Option<Decimal>) -> Result<i64, Refusal> {
    let waiting = &world.received[at];
    let left = Money::new(waiting.left_minor, waiting.entry.currency);
    bank::amount_of(number_of(at), left, asked)
}

/// On a payer's open invoices, the oldest first; what is over stays on the last, and where nothing is open on the newest.
fn on_oldest(
    world: &mut World,
    arguments: &Arguments<'_>,
    (payer, account): (CustomerId, &str),
) -> Result<(), Refusal> {
    let at = payment(world, arguments)?;
    let amount_minor = amount_of(world, at, amount(arguments)?)?;
    let currency = world.received[at].entry.currency;
    let of_payer = world.documents.iter().filter(|document| document.draft.payer == payer);
    let documents = of_payer.filter_map(|document| Some((document.booked.as_ref()?, &document.settlement)));
    let open = open_or_newest(documents, currency, |id| settling::is_under_way(world, id));
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
        world.received[at].left_minor -= amount_of(world, at, None)?;
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

/// The place of a payment by its number.
fn payment(world: &World, arguments: &Arguments<'_>) -> Result<usize, Refusal> {
    let name = arguments.required(&["payment"], arguments.text(&["payment"]))?;
    let at = name.parse::<usize>().ok().and_then(|number| number.checked_sub(1));
    let unknown = || Refusal::new(Code::UnknownPayment, format!("nothing was received as payment {name}"));
    at.filter(|at| *at < world.received.len()).ok_or_else(unknown)
}
