//! Verbs of invoices: book, cancel, credit, markpaid, recharge, refund, writeoff (rules.md I4, I7, Y4).

use super::book::{Book, Booked, Document};
use super::charging::Occasion;
use super::settling::{BY_HAND, Happened};
use super::step::Step;
use crate::billing::{self, CreditLine, CreditScope};
use crate::decimal::PRICE;
use crate::ids::{AttemptId, InvoiceId};
use crate::invoice::{Draft, Invoice};
use crate::ledger::{EntryKind, payment_entry, refund_entry, write_off_entry};
use crate::money::{Currency, Money};
use crate::payment::{Attempt, AttemptState};
use crate::subscription::{Arguments, Refusal};
use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde_json::Value;

const VERBS: &str = "book, cancel, credit, markpaid, recharge, refund or writeoff";

impl Book {
    /// Does a verb to an invoice or draft, named by its number, its id, or its place from 1.
    pub fn change_invoice(&mut self, name: &str, verb: &str, step: &Step<'_>) -> Result<(), Refusal> {
        let place = self.document(name)?;
        match verb {
            "book" => self.book_by_hand(place, name, step.on),
            "cancel" => self.cancel(place, name, step.arguments().flag(&["release"])?.unwrap_or(false)),
            "credit" => self.credit(place, name, step),
            "markpaid" => self.mark_paid(place, name, step),
            "recharge" => self.recharge(place, name, step.on),
            "refund" => self.refund(place, name, step),
            "writeoff" => self.write_off(place, name, step),
            other => {
                let message = format!("there is no verb `{other}` of invoices");
                Err(Refusal::new("unknown_verb", message).hint(format!("one of {VERBS}")))
            }
        }
    }

    fn document(&self, name: &str) -> Result<usize, Refusal> {
        let by_name = self.documents.iter().position(|document| match document {
            Document::Booked(booked) => booked.invoice.number == name || is_id(&booked.invoice.draft, name),
            Document::Draft(draft) | Document::Cancelled(draft) => is_id(draft, name),
        });
        let by_place = || {
            let place: usize = name.parse().ok()?;
            place.checked_sub(1).filter(|place| *place < self.documents.len())
        };
        by_name.or_else(by_place).ok_or_else(|| {
            let message = format!("there is no invoice {name}");
            let hint = match self.documents.len() {
                0 => "none has been made yet".to_owned(),
                made => format!("give its number, or its place from 1 to {made}"),
            };
            Refusal::new("unknown_invoice", message).hint(hint)
        })
    }

    fn booked(&self, place: usize, name: &str, done: &str) -> Result<&Booked, Refusal> {
        let document = self.documents.get(place).and_then(Document::booked);
        document.ok_or_else(|| {
            Refusal::new("not_booked", format!("{name} is a draft and cannot be {done}")).hint("book it first")
        })
    }

    fn book_by_hand(&mut self, place: usize, name: &str, on: NaiveDate) -> Result<(), Refusal> {
        let catalogue = self.catalogue()?;
        let draft = self.open_draft(place, name)?.clone();
        if draft.revision != self.revision(draft.payer) {
            let message = format!("draft {name} cannot be booked: changed since draft");
            return Err(Refusal::new("set_aside", message).hint("cancel it with release, and run again"));
        }
        let payer = draft.payer;
        let booked = self.book_draft(draft, on, &catalogue).map_err(|fault| fault.1)?;
        self.documents[place] = Document::Booked(Box::new(booked));
        self.set_off(payer, on);
        Ok(())
    }

    fn open_draft(&self, place: usize, name: &str) -> Result<&Draft, Refusal> {
        match &self.documents[place] {
            Document::Draft(draft) => Ok(draft),
            Document::Cancelled(_) => {
                Err(Refusal::new("not_open", format!("draft {name} is not open any more: it was cancelled")))
            }
            Document::Booked(booked) => {
                let message = format!("{} is booked: a booked invoice is never changed", booked.invoice.number);
                Err(Refusal::new("booked", message).hint("credit it"))
            }
        }
    }

    /// Drops a draft. Its periods are waived, or due again if they are released (rules.md I4).
    fn cancel(&mut self, place: usize, name: &str, release: bool) -> Result<(), Refusal> {
        let draft = self.open_draft(place, name)?.clone();
        for lines in self.billed.values_mut().flat_map(|billed| billed.values_mut()) {
            if release {
                lines.retain(|line| line.invoice != Some(draft.id));
                continue;
            }
            for line in lines.iter_mut().filter(|line| line.invoice == Some(draft.id)) {
                (line.invoice, line.line, line.net_minor) = (None, None, 0);
            }
        }
        self.documents[place] = Document::Cancelled(Box::new(draft));
        Ok(())
    }

    /// A credit note, set against what is open of its invoice; what it leaves is owed to the payer (rules.md I7).
    fn credit(&mut self, place: usize, name: &str, step: &Step<'_>) -> Result<(), Refusal> {
        let catalogue = self.catalogue()?;
        let booked = self.booked(place, name, "credited")?;
        let invoice = &booked.invoice;
        let arguments = step.arguments();
        if arguments.flag(&["rebill"])?.unwrap_or(false) {
            let message = "a simulation does not open a period again";
            return Err(Refusal::new("unsupported", message).hint("credit without rebill"));
        }
        let scope = scope(&arguments, invoice)?;
        let earlier = self.notes_on(invoice);
        let note = billing::credit_note(invoice, &earlier, &scope, step.on, self.runs, &catalogue)?;
        if note.gross_minor() > 0 {
            let message = format!("crediting this of {} would raise what is owed", invoice.number);
            return Err(Refusal::new("raises", message));
        }
        let amount_minor = booked.open_minor().min(-note.gross_minor());
        let (credited, note_id) = (invoice.draft.id, note.id);
        let booked = self.book_draft(note, step.on, &catalogue).map_err(|fault| fault.1)?;
        self.documents.push(Document::Booked(Box::new(booked)));
        if amount_minor > 0 {
            self.set_off_pair(note_id, credited, amount_minor, step.on);
        }
        Ok(())
    }

    /// Credit notes that mirror lines of this invoice, oldest first.
    fn notes_on(&self, invoice: &Invoice) -> Vec<&Invoice> {
        let notes = self.documents.iter().filter_map(Document::booked).map(|booked| &booked.invoice);
        let names_it = |note: &&Invoice| note.draft.is_credit_note && note.draft.credits.contains(&invoice.number);
        notes.filter(names_it).filter(|note| mirrors(note, invoice)).collect()
    }

    fn mark_paid(&mut self, place: usize, name: &str, step: &Step<'_>) -> Result<(), Refusal> {
        let booked = self.booked(place, name, "paid")?;
        let number = booked.invoice.number.clone();
        if booked.invoice.draft.gross_minor() < 0 {
            let message = format!("{number} is a credit note: nobody pays it");
            return Err(Refusal::new("credit_note", message).hint("refund it"));
        }
        let currency = booked.invoice.draft.currency;
        let amount_minor = part_of(&step.arguments(), &number, Money::new(booked.open_minor(), currency))?;
        let (invoice, customer) = (booked.invoice.draft.id, booked.invoice.draft.payer);
        let ordinal = self.attempts_on(invoice).map(|attempt| attempt.ordinal).max().unwrap_or(0) + 1;
        let on = step.on;
        let paid = Happened { kind: EntryKind::Payment, on, amount_minor, part_minor: amount_minor };
        self.happen(place, &paid, payment_entry)?;
        let attempt = Attempt {
            id: AttemptId::of(&format!("{invoice}\u{1f}{ordinal}")),
            invoice,
            customer,
            ordinal,
            amount_minor,
            currency,
            method: BY_HAND.to_owned(),
            gateway: BY_HAND.to_owned(),
            on,
            state: AttemptState::Paid,
            provider_reference: None,
            decline_code: None,
            fee_minor: 0,
        };
        self.note_attempt(attempt, &number);
        Ok(())
    }

    fn recharge(&mut self, place: usize, name: &str, on: NaiveDate) -> Result<(), Refusal> {
        let booked = self.booked(place, name, "charged")?;
        if booked.open_minor() <= 0 || booked.invoice.draft.gross_minor() <= 0 {
            return Err(nothing_open(&booked.invoice.number));
        }
        let id: InvoiceId = booked.invoice.draft.id;
        if self.collect(id, Occasion::ByHand, on)? {
            return Ok(());
        }
        Err(Refusal::new("no_method", format!("{name} has no online payment method that may be tried"))
            .hint("load a payment method, or mark it paid"))
    }

    /// Money back: the open balance of a credit note, or what was paid too much.
    fn refund(&mut self, place: usize, name: &str, step: &Step<'_>) -> Result<(), Refusal> {
        let booked = self.booked(place, name, "refunded")?;
        let (number, open) = (&booked.invoice.number, booked.open_minor());
        if open >= 0 {
            let message = format!("nothing is owed to the payer on {number}");
            return Err(Refusal::new("nothing_owed", message).hint("credit it first"));
        }
        let owed = Money::new(-open, booked.invoice.draft.currency);
        let amount_minor = part_of(&step.arguments(), number, owed)?;
        let invoice = booked.invoice.clone();
        let happened =
            Happened { kind: EntryKind::Refund, on: step.on, amount_minor, part_minor: -amount_minor };
        let ordinal = self.happen(place, &happened, refund_entry)?;
        self.note_refund(&invoice, amount_minor, step.on, ordinal);
        Ok(())
    }

    fn write_off(&mut self, place: usize, name: &str, step: &Step<'_>) -> Result<(), Refusal> {
        let booked = self.booked(place, name, "written off")?;
        if booked.open_minor() <= 0 || booked.invoice.draft.gross_minor() < 0 {
            return Err(nothing_open(&booked.invoice.number));
        }
        let open = Money::new(booked.open_minor(), booked.invoice.draft.currency);
        let amount_minor = part_of(&step.arguments(), &booked.invoice.number, open)?;
        let happened =
            Happened { kind: EntryKind::WriteOff, on: step.on, amount_minor, part_minor: amount_minor };
        self.happen(place, &happened, write_off_entry).map(drop)
    }
}

fn is_id(draft: &Draft, name: &str) -> bool {
    name.len() == 36 && draft.id.to_string().eq_ignore_ascii_case(name)
}

fn mirrors(note: &Invoice, invoice: &Invoice) -> bool {
    note.draft.lines.iter().all(|line| {
        let is_it = |own: &&crate::invoice::Line| own.number == line.number && own.key == line.key && own.sku == line.sku;
        invoice.draft.lines.iter().any(|own| is_it(&own))
    })
}

fn nothing_open(number: &str) -> Refusal {
    Refusal::new("nothing_open", format!("nothing is open on {number}"))
}

/// `amount` in minor units, above 0 and at most `open`; all of it without one.
fn part_of(arguments: &Arguments<'_>, number: &str, open: Money) -> Result<i64, Refusal> {
    if open.minor <= 0 {
        return Err(nothing_open(number));
    }
    let Some(asked) = arguments.decimal(&["amount"], PRICE)? else { return Ok(open.minor) };
    let minor = minor_of(asked, open.currency)?;
    if minor == 0 {
        return Err(Refusal::new("amount", "`amount`: more than 0 is needed"));
    }
    if minor > open.minor {
        let message = format!("only {open} is open on {number}");
        return Err(Refusal::new("more_than_open", message).hint(format!("{} at most", open.decimal())));
    }
    Ok(minor)
}

fn minor_of(amount: Decimal, currency: Currency) -> Result<i64, Refusal> {
    let decimals = currency.decimals();
    let fault = || Refusal::new("amount", format!("`{amount}` is not an amount with at most {decimals} decimals"));
    let mut scaled = amount.normalize();
    if scaled.scale() > decimals {
        return Err(fault());
    }
    scaled.rescale(decimals);
    i64::try_from(scaled.mantissa()).ok().filter(|_| scaled.scale() == decimals).ok_or_else(fault)
}

/// What is to be credited: everything, `lines` (numbers, or objects with `line` and `amount`, net), or one `line`.
fn scope(arguments: &Arguments<'_>, invoice: &Invoice) -> Result<CreditScope, Refusal> {
    let currency = invoice.draft.currency;
    if let Some(lines) = arguments.value(&["lines", "invoicelines"]) {
        let Value::Array(lines) = lines else {
            return Err(Refusal::new("bad_argument", "`lines` is a list of line numbers"));
        };
        return lines.iter().map(|line| credit_line(line, invoice)).collect::<Result<_, _>>().map(CreditScope::Lines);
    }
    let amount = arguments.decimal(&["amount"], PRICE)?.map(|amount| minor_of(amount, currency)).transpose()?;
    match (arguments.text(&["line", "linenumber"]), amount) {
        (None, None) => Ok(CreditScope::Whole),
        (Some(number), amount) => {
            Ok(CreditScope::Lines(vec![line_of(&number, amount, invoice)?]))
        }
        (None, Some(_)) if invoice.draft.lines.len() == 1 => {
            Ok(CreditScope::Lines(vec![line_of("1", amount, invoice)?]))
        }
        (None, Some(_)) => {
            let message = format!("`line` is missing: {} has several lines", invoice.number);
            Err(Refusal::new("missing_argument", message).hint("give `lines` with a net amount each"))
        }
    }
}

fn credit_line(line: &Value, invoice: &Invoice) -> Result<CreditLine, Refusal> {
    match line {
        Value::Object(members) => {
            let read = Arguments(members);
            let names = ["line", "linenumber", "number"];
            let number = read.required(&names, read.text(&names))?;
            let amount = read.decimal(&["amount", "net", "subtotal"], PRICE)?;
            let amount = amount.map(|amount| minor_of(amount, invoice.draft.currency)).transpose()?;
            line_of(&number, amount, invoice)
        }
        Value::String(number) => line_of(number, None, invoice),
        _ => Err(Refusal::new("bad_argument", "a line to credit is its number")),
    }
}

/// An amount has the sign of its line.
fn line_of(number: &str, amount_minor: Option<i64>, invoice: &Invoice) -> Result<CreditLine, Refusal> {
    let number: u32 = number
        .parse()
        .map_err(|_| Refusal::new("bad_argument", format!("`line`: `{number}` is not the number of a line")))?;
    let line = invoice.draft.lines.iter().find(|line| line.number == number);
    let is_negative = line.is_some_and(|line| line.subtotal_minor < 0);
    let net_minor = amount_minor.map(|minor| if is_negative { -minor } else { minor });
    Ok(CreditLine { number, net_minor })
}
