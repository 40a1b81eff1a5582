//! Drafts that a person changes before they are booked (rules I4): amounts and words of lines, lines taken off or put
//! on, reference and term. Tax is recomputed; dates, parties, series and what the run has rated stay.

use super::PayerBook;
use super::balance::{share_vat, spread};
use super::custom::{self, CustomLine};
use super::drafting::{Group, Heading, assemble, before_tax, series};
use super::rating::LINE_MAX_MINOR;
use crate::exact::Exact;
use crate::ids::LineId;
use crate::invoice::{Draft, Line};
use crate::money::{Currency, Money};
use crate::period::plus_days;
use crate::refusal::{Code, Refusal, Verb};
use crate::tax::Treatment;
use rust_decimal::Decimal;
use serde::Serialize;

/// What a person changes of a draft; what is not named stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct DraftEdit {
    pub reference: Option<String>,
    /// Net days.
    pub payment_term: Option<u32>,
    pub lines: Vec<LineEdit>,
    /// Lines put on, after the others.
    pub add: Vec<CustomLine>,
}

/// What changes of one line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LineEdit {
    /// Of the draft as it is now.
    pub number: u32,
    /// Taken off: its period is waived.
    pub remove: bool,
    pub title: Option<String>,
    pub description: Option<String>,
    /// After discount, major units: net, or gross where the plan's prices include VAT.
    pub amount: Option<Decimal>,
}

/// A changed draft.
#[derive(Debug, Clone, PartialEq)]
pub struct Edited {
    pub draft: Draft,
    /// Lines taken off.
    pub removed: Vec<LineId>,
}

/// Changes a draft. Late usage is billed against what the run has rated, so that an allowance made here stays one.
///
/// # Errors
/// `changed_since_draft`, `unknown_line`, `bad_amount`, `too_large`, `too_much`, `no_lines`, `changes_sign`, `no_tax_rule`.
pub fn edited(book: &PayerBook, draft: &Draft, edit: &DraftEdit) -> Result<Edited, Refusal> {
    let payer = book.customers.get(&book.payer).filter(|_| book.revision == draft.revision);
    let payer = payer.ok_or_else(|| {
        let message = format!("the book of {} has changed since this draft was made", draft.account_number);
        Refusal::new(Code::ChangedSinceDraft, message)
            .hint("drop it with ")
            .ask(Verb::CancelDraft.on(draft.id).switch("release"))
            .hint(", and let the next run draft it again")
    })?;
    refuse_unknown_lines(draft, edit)?;
    let mut lines = Vec::with_capacity(draft.lines.len() + edit.add.len());
    let mut treatments = Vec::with_capacity(lines.capacity());
    let mut removed = Vec::new();
    for line in &draft.lines {
        let change = edit.lines.iter().find(|change| change.number == line.number);
        if change.is_some_and(|change| change.remove) {
            removed.push(line.id);
            continue;
        }
        lines.push(changed(before_tax(line), change, draft.currency)?);
        treatments.push(Treatment::Kept);
    }
    for added in &edit.add {
        lines.push(put_on(book, draft, &lines, added)?);
        treatments.push(custom::treatment(added));
    }
    if lines.is_empty() {
        return Err(Refusal::new(Code::NoLines, "no line would be left")
            .hint("drop the draft instead: ")
            .ask(Verb::CancelDraft.on(draft.id)));
    }
    for (number, line) in (1..).zip(&mut lines) {
        line.number = number;
    }
    let group = Group {
        subscription_number: draft.subscription_number.clone(),
        subscription: draft.subscription,
        currency: draft.currency,
        payment_method: draft.payment_method.clone(),
    };
    let heading = Heading { id: draft.id, group: &group, charge_date: draft.charge_date };
    let mut made = assemble(book, payer, &heading, lines, &treatments).map_err(custom::no_rule)?;
    share_vat(&mut made.lines);
    refuse_other_sign(draft, &made)?;
    let payment_term = edit.payment_term.unwrap_or(draft.payment_term);
    let (series, number_pattern) = series(&book.catalogue, payer, made.is_credit_note, draft.invoice_date);
    let edited = Draft {
        invoice_date: draft.invoice_date,
        payment_term,
        due_date: plus_days(draft.due_date, i64::from(payment_term) - i64::from(draft.payment_term)),
        reference: edit.reference.clone().or_else(|| draft.reference.clone()),
        credits: draft.credits.clone(),
        autobill: draft.autobill,
        series,
        number_pattern,
        ..made
    };
    Ok(Edited { draft: edited, removed })
}

/// Every line that is changed is there, and is named once.
fn refuse_unknown_lines(draft: &Draft, edit: &DraftEdit) -> Result<(), Refusal> {
    for (at, change) in edit.lines.iter().enumerate() {
        if !draft.lines.iter().any(|line| line.number == change.number) {
            return Err(Refusal::new(Code::UnknownLine, format!("the draft has no line {}", change.number))
                .hint(format!("it has the lines 1 to {}", draft.lines.len())));
        }
        if edit.lines[..at].iter().any(|other| other.number == change.number) {
            return Err(Refusal::new(Code::UnknownLine, format!("line {} is named twice", change.number)));
        }
    }
    Ok(())
}

fn refuse_other_sign(draft: &Draft, made: &Draft) -> Result<(), Refusal> {
    if made.is_credit_note != draft.is_credit_note {
        let total = Money::new(made.gross_minor(), draft.currency);
        return Err(Refusal::new(Code::ChangesSign, format!("the draft would add up to {total}")).hint(
            "an invoice stays above zero and a credit note below: credit the invoice after it is booked",
        ));
    }
    Ok(())
}

fn changed(mut line: Line, change: Option<&LineEdit>, currency: Currency) -> Result<Line, Refusal> {
    let Some(change) = change else { return Ok(line) };
    if let Some(title) = &change.title {
        line.title.clone_from(title);
    }
    if let Some(description) = &change.description {
        line.description.clone_from(description);
    }
    if let Some(amount) = change.amount {
        let minor = minor(amount, change.number, currency)?;
        credit_less(&mut line, minor, currency)?;
        line.quantity = Decimal::ONE;
        line.unit_price = Money::new(minor, currency).decimal();
        (line.subtotal_minor, line.exact) = (minor, Exact::of_minor(minor, currency));
        (line.discount, line.discount_minor, line.discount_text) = (Decimal::ZERO, 0, None);
    }
    Ok(line)
}

/// A line that gives something back may give back less, not more (rules M3).
fn credit_less(line: &mut Line, minor: i64, currency: Currency) -> Result<(), Refusal> {
    let amounts: Vec<i64> = line.credits.iter().map(|credit| credit.amount_minor).collect();
    let most: i64 = amounts.iter().sum();
    if amounts.is_empty() {
        return Ok(());
    }
    if minor > 0 || -minor > most {
        let message = format!("line {} gives back {} at most", line.number, Money::new(most, currency));
        return Err(Refusal::new(Code::TooMuch, message)
            .hint("credit the invoice for more: ")
            .ask(Verb::CreditInvoice.on("NUMBER").with("line", "N=AMOUNT")));
    }
    for (credit, amount_minor) in line.credits.iter_mut().zip(spread(-minor, &amounts)) {
        credit.amount_minor = amount_minor;
    }
    line.credits.retain(|credit| credit.amount_minor != 0);
    Ok(())
}

fn minor(amount: Decimal, number: u32, currency: Currency) -> Result<i64, Refusal> {
    let exact = Exact::of(amount);
    let minor = exact.checked_round_half_away(currency.decimals());
    let minor = minor.filter(|minor| minor.abs() <= LINE_MAX_MINOR).ok_or_else(|| {
        Refusal::new(Code::TooLarge, format!("{amount} for line {number} is beyond what an invoice carries"))
    })?;
    if Exact::of_minor(minor, currency) == exact {
        return Ok(minor);
    }
    let message = format!("{amount} for line {number} has more decimals than {currency}");
    Err(Refusal::new(Code::BadAmount, message).hint(format!("{} at most", currency.decimals())))
}

fn put_on(book: &PayerBook, draft: &Draft, before: &[Line], added: &CustomLine) -> Result<Line, Refusal> {
    let owner =
        book.customers.get(&book.payer).ok_or_else(|| Refusal::new(Code::Gone, "the payer is gone"))?;
    let number = u32::try_from(before.len() + 1).unwrap_or(u32::MAX);
    let place = custom::LinePosition {
        book,
        owner,
        invoice: draft.id,
        number,
        date: draft.invoice_date,
        currency: draft.currency,
    };
    let mut line = custom::line(place, added)?;
    let is_taken = |id| draft.lines.iter().chain(before).any(|other| other.id == id);
    let ids = (1_u32..).map(|n| LineId::of(&format!("{}\u{1f}added\u{1f}{n}", draft.id)));
    line.id = ids.into_iter().find(|id| !is_taken(*id)).unwrap_or(line.id);
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::billing::{RunContext, bill, check, sample};
    use crate::book_file::read_draft_edit;
    use crate::ids::Place;
    use crate::measure::Measured;
    use serde_json::{Value, json};

    /// A draft of 100.00 and 50.00 with 25 % VAT.
    fn drafted() -> (PayerBook, Draft) {
        let charge = |sku: &str, price: &str| {
            json!({"sku": sku, "fullname": sku, "chargetype": "recurring", "pricingmodel": "flat", "taxable": true,
                   "billingperiod": "monthly", "defaultamount": "1", "pricings": [{"currencycode": "DKK", "price": price}]})
        };
        let mut book = sample::book(&json!([charge("A", "100"), charge("B", "50")]));
        let rule = json!({"tenant": {"fullname": "Nordlys", "currencycode": "DKK", "timezone": "Europe/Copenhagen", "country": "DK"},
            "taxrules": [{"fullname": "DK", "country": "DK", "state": "*", "ruletype": "*", "priority": 1, "taxpct": "25", "category": "S"}]});
        let set = crate::book_file::read_value(&rule, &crate::book_file::StoredBook::default()).unwrap();
        std::sync::Arc::make_mut(&mut book.catalogue).tax_rules = set.catalogue.tax_rules;
        let run = RunContext {
            ordinal: 1,
            place: Place::of(0),
            as_of: sample::day("2026-01-01"),
            usage_mark: 0,
            catch_up_max: 36,
        };
        let draft = bill(&book, &Measured::new(), run).drafts.remove(0);
        (book, draft)
    }

    fn apply(book: &PayerBook, draft: &Draft, edit: &Value) -> Result<Edited, Refusal> {
        edited(book, draft, &read_draft_edit("edit.json", &edit.to_string()).unwrap())
    }

    #[test]
    fn lines_are_changed_taken_off_and_put_on_and_taxed_anew() {
        let (book, draft) = drafted();
        let edit = json!({"reference": "PO 4711", "paymentterm": 30, "lines": [
            {"line": 1, "amount": "80.00", "title": "Base, as agreed"}, {"line": 2, "remove": true},
            {"title": "On-site day", "quantity": "2", "unitprice": "10"},
            {"title": "Outlay", "quantity": "1", "unitprice": "7.50", "taxable": false}]});
        let made = apply(&book, &draft, &edit).unwrap();
        check(&made.draft).unwrap();
        let draft_now = &made.draft;
        assert_eq!((draft_now.net_minor, draft_now.vat_minor), (10_750, 2_500));
        assert_eq!(draft_now.lines.iter().map(|l| l.number).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(draft_now.lines[0].title, "Base, as agreed");
        assert_eq!(made.removed, [draft.lines[1].id]);
        assert_eq!(
            (draft_now.id, draft_now.invoice_date, &draft_now.series),
            (draft.id, draft.invoice_date, &draft.series)
        );
        assert_eq!(draft_now.due_date, sample::day("2026-01-31"));
        assert_eq!(draft_now.reference.as_deref(), Some("PO 4711"));
        // Once more: the added lines keep their ids, and a new one gets its own.
        let more = json!({"lines": [{"title": "Another", "quantity": "1", "unitprice": "1"}]});
        let twice = apply(&book, draft_now, &more).unwrap().draft;
        let mut ids: Vec<_> = twice.lines.iter().map(|l| l.id).collect();
        ids.dedup();
        assert_eq!((ids.len(), twice.net_minor), (4, 10_850));
        assert_eq!(
            apply(&book, &draft, &json!({"reference": "x"})).unwrap().draft.net_minor,
            draft.net_minor
        );
    }

    #[test]
    fn what_makes_no_invoice_is_refused() {
        let (book, draft) = drafted();
        let refused = |edit: Value| apply(&book, &draft, &edit).unwrap_err().code;
        assert_eq!(refused(json!({"lines": [{"line": 3, "remove": true}]})), Code::UnknownLine);
        assert_eq!(
            refused(json!({"lines": [{"line": 1, "remove": true}, {"line": 1, "title": "x"}]})),
            Code::UnknownLine
        );
        assert_eq!(
            refused(json!({"lines": [{"line": 1, "remove": true}, {"line": 2, "remove": true}]})),
            Code::NoLines
        );
        assert_eq!(refused(json!({"lines": [{"line": 1, "amount": "-80"}]})), Code::ChangesSign);
        assert_eq!(refused(json!({"lines": [{"line": 1, "amount": "1.005"}]})), Code::BadAmount);
        let older = Draft { revision: draft.revision - 1, ..draft.clone() };
        let refusal = apply(&book, &older, &json!({"reference": "x"})).unwrap_err();
        assert_eq!(refusal.code, Code::ChangedSinceDraft);
    }
}
