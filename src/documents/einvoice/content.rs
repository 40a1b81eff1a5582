//! What an invoice says alike in every syntax: what it is known by, what a line costs, why it bears no VAT.

use super::Written;
use domain::Decimal;
use domain::catalogue::TaxCategory;
use domain::invoice::{BaseAmounts, Invoice, Line, Settlement, VatGroup};
use domain::money::{Currency, Money};

/// Codes of BT-3.
pub(super) const INVOICE: &str = "380";
pub(super) const CREDIT_NOTE: &str = "381";
/// UN/ECE recommendation 20: one, the unit that any other word stands for; the word itself is in the description.
pub(super) const ONE: &str = "C62";

/// What the buyer's system routes it by (BT-10).
pub(super) fn buyer_reference<'a>(written: &Written<'a>) -> &'a str {
    let draft = &written.of.invoice.draft;
    let own = written.of.payer.buyer_reference.as_ref().or(draft.reference.as_ref());
    own.unwrap_or(&draft.account_number)
}

/// BT-20.
pub(super) fn terms(written: &Written<'_>) -> String {
    format!("Net {} days", written.of.invoice.draft.payment_term)
}

/// A line is never without a name (BT-153).
pub(super) fn line_name(line: &Line) -> &str {
    let names = [line.title.trim(), line.description.trim(), line.sku.as_str()];
    names.into_iter().find(|name| !name.is_empty()).unwrap_or("–")
}

/// Why a line has a discount (BT-139).
pub(super) fn discount_reason(line: &Line) -> &str {
    line.discount_text.as_deref().filter(|text| !text.is_empty()).unwrap_or("Discount")
}

/// Why a group bears no VAT: its code, where there is one, and its words (BT-121, BT-120).
pub(super) fn exemption(group: &VatGroup) -> (Option<&'static str>, Option<&str>) {
    let (code, usual) = match group.category {
        TaxCategory::S | TaxCategory::Z => return (None, None),
        TaxCategory::E => (None, "Exempt from VAT"),
        TaxCategory::AE => (Some("VATEX-EU-AE"), "Reverse charge"),
        TaxCategory::K => (Some("VATEX-EU-IC"), "Intra-community supply"),
        TaxCategory::G => (Some("VATEX-EU-G"), "Export outside the EU"),
        TaxCategory::O => (Some("VATEX-EU-O"), "Not subject to VAT"),
    };
    let own = group.reason.as_deref().filter(|reason| !reason.trim().is_empty());
    (code, Some(own.unwrap_or(usual)))
}

/// Amounts restated in the seller's currency, where the invoice has another one.
pub(super) fn foreign_base(invoice: &Invoice) -> Option<&BaseAmounts> {
    invoice.base.as_ref().filter(|base| base.currency != invoice.draft.currency)
}

/// What was paid and set off so far, at most the whole: nobody is asked to pay less than nothing.
pub(super) fn prepaid_minor(invoice: &Invoice, settlement: &Settlement) -> i64 {
    let gross_minor = invoice.draft.gross_minor();
    if invoice.draft.is_credit_note { 0 } else { settlement.settled_minor.clamp(0, gross_minor.max(0)) }
}

/// Quantity, price of 0 or more, and discount, such that quantity × price − discount is the line's net. What is printed is
/// taken where it multiplies out; gross prices and rounded ones become 1 × the amount.
pub(super) fn priced(line: &Line, currency: Currency) -> (Decimal, Decimal, i64) {
    let amount = |minor| Money::new(minor, currency).decimal();
    let before_discount = amount(line.subtotal_minor + line.discount_minor);
    let product = line.quantity.checked_mul(line.unit_price);
    let (quantity, price, discount_minor) =
        if product == Some(before_discount) && line.quantity != Decimal::ZERO {
            (line.quantity, line.unit_price, line.discount_minor)
        } else if line.discount_minor > 0 && before_discount > Decimal::ZERO {
            (Decimal::ONE, before_discount, line.discount_minor)
        } else {
            (Decimal::ONE, amount(line.subtotal_minor), 0)
        };
    if price < Decimal::ZERO {
        (-quantity, -price, discount_minor)
    } else {
        (quantity, price, discount_minor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn every_line_multiplies_out_and_prices_are_never_negative() {
        let mut invoice = sample::one_page();
        invoice.draft.lines.push(sample::line("Credit", -1_250));
        for line in &invoice.draft.lines {
            let (quantity, price, discount_minor) = priced(line, invoice.draft.currency);
            let net = quantity * price - Money::new(discount_minor, invoice.draft.currency).decimal();
            assert_eq!(
                net,
                Money::new(line.subtotal_minor, invoice.draft.currency).decimal(),
                "{}",
                line.title
            );
            assert!(price >= Decimal::ZERO);
        }
    }
}
