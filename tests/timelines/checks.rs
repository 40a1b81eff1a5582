//! What must hold after every day, and at the end.

use super::acts::{open_items, worker};
use super::oracle;
use super::world::World;
use crate::support::files_below;
use serde_json::Value;
use std::collections::BTreeMap;

/// After every day: the books agree with themselves and with `simulate`, and nothing was done twice.
pub fn after_a_day(world: &mut World) {
    world.look_at_invoices();
    let verified = world.look(&["verify"]);
    assert_eq!(verified["ok"], true, "{verified:#}");
    charges_are_made_once(world);
    mails_go_out_once(world);
    files_are_somewhere(world);
    open_items_are_there_once(world);
    oracle::compare(world);
}

/// At the end: everything has left the house, or is told.
pub fn at_the_end(world: &World) {
    every_document_is_there(world);
}

/// What the provider took of an invoice, less what it gave back, is never more than the invoice.
fn charges_are_made_once(world: &World) {
    let text = std::fs::read_to_string(world.home().join("sandbox-payments.ndjson")).unwrap_or_default();
    let mut taken: BTreeMap<String, i64> = BTreeMap::new();
    for line in text.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        if record["kind"] == "charge" && record["outcome"].to_string().contains("paid") {
            *taken.entry(record["invoice"].as_str().unwrap().to_owned()).or_default() +=
                record["amount_minor"].as_i64().unwrap();
        }
    }
    for invoice in &world.invoices {
        let gross_minor: i64 = invoice["TotalAmount"].as_str().unwrap().replace('.', "").parse().unwrap();
        let (took, most) =
            (taken.get(invoice["ID"].as_str().unwrap()).copied().unwrap_or(0), gross_minor.max(0));
        assert!(took <= most, "{} of {most} was charged {took}", invoice["InvoiceNumber"]);
    }
}

/// Without a crash between handing over and noting it a mail goes out once; after one it may go out again, under the same
/// Message-ID: so by Message-ID there is one per document and address.
fn mails_go_out_once(world: &World) {
    let mut seen: BTreeMap<String, String> = BTreeMap::new();
    for text in mails(world) {
        let head = |name: &str| {
            let line = text.lines().find(|line| line.to_ascii_lowercase().starts_with(name));
            line.unwrap_or_default().to_owned()
        };
        // Of a payment that failed there is one per attempt, and a reminder per step.
        let subject = head("subject:");
        if subject.contains("Payment of") || subject.contains("Reminder") {
            continue;
        }
        let what = format!("{} {subject}", head("to:"));
        let id = head("message-id:");
        if let Some(before) = seen.insert(what.clone(), id.clone()) {
            assert_eq!(before, id, "{what} went out twice");
        }
    }
}

/// Every file that was put into the inbox has been brought in, or still waits there.
fn files_are_somewhere(world: &World) {
    let lying = worker::lying(world);
    for name in world.inbox.keys() {
        let place = lying.get(name).map(String::as_str);
        assert!(matches!(place, Some("inbox" | "done")), "{name} is gone, or refused: {place:?}");
    }
    assert_eq!(lying.len(), world.inbox.len(), "something else lies there: {lying:?}");
}

/// Open items of another system are there as they were handed in, each once; whatever was taken over is nobody else's.
fn open_items_are_there_once(world: &World) {
    let field = |invoice: &Value, name: &str| invoice[name].as_str().unwrap().to_owned();
    let is_old = |invoice: &&Value| field(invoice, "InvoiceNumber").starts_with(open_items::NUMBERS);
    let there: Vec<(String, String)> = world
        .invoices
        .iter()
        .filter(is_old)
        .map(|invoice| (field(invoice, "InvoiceNumber"), field(invoice, "TotalAmount")))
        .collect();
    let mut sorted = there.clone();
    sorted.sort();
    assert_eq!(sorted, Vec::from_iter(world.taken_over.clone()), "open items that were taken over");
}

/// Every booked document has its PDF, and has reached its buyer or stands on the list of what is open.
fn every_document_is_there(world: &World) {
    let pdfs = files_below(&world.home().join("documents"), "pdf").len();
    assert!(
        pdfs + world.unmailed.len() + world.taken_over.len() >= world.invoices.len(),
        "{pdfs} PDFs of {} documents",
        world.invoices.len()
    );
    let open = world.look(&["mails"]);
    let mails = mails(world);
    for invoice in &world.invoices {
        let number = invoice["InvoiceNumber"].as_str().unwrap();
        if number.starts_with(open_items::NUMBERS) {
            continue; // the payer has the paper already
        }
        let is_erased = world.erased.contains(invoice["AccountNumber"].as_str().unwrap());
        if is_erased || world.unmailed.iter().any(|unmailed| unmailed == number) {
            continue;
        }
        let is_out = mails.iter().any(|mail| mail.contains(number));
        let is_told = open.as_array().unwrap().iter().any(|mail| mail["invoice"] == number);
        assert!(is_out || is_told, "{number} has reached nobody and is on no list");
    }
}

/// Every mail that has left the house.
fn mails(world: &World) -> Vec<String> {
    match &world.relay {
        Some(relay) => relay.arrived(),
        None => {
            let paths = files_below(&world.home().join("mail"), "eml");
            paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
        }
    }
}
