//! Invoices and credit notes as UBL 2.1 in the form of Peppol BIS Billing 3.0 (EN 16931): what a receiver's system reads
//! instead of the PDF. The numbers in comments are the standard's business terms.

use domain::Decimal;
use domain::catalogue::{TaxCategory, Tenant};
use domain::invoice::{Invoice, Line, Party, Settlement};
use domain::money::{Currency, Money};
use std::fmt::Write;

const CUSTOMIZATION: &str = "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0";
const PROFILE: &str = "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0";
/// Codes of BT-3.
const INVOICE: &str = "380";
const CREDIT_NOTE: &str = "381";
/// UN/ECE recommendation 20: one, the unit that any other word stands for; the word itself is in the description.
const ONE: &str = "C62";

/// The XML of a booked invoice or credit note: it asks for what is open (rules Y3). A credit note's amounts are positive
/// there, as the standard wants.
pub fn ubl(invoice: &Invoice, settlement: &Settlement, tenant: &Tenant) -> String {
    let draft = &invoice.draft;
    let mut xml = Xml::new(draft.currency, draft.is_credit_note);
    let root = if draft.is_credit_note { "CreditNote" } else { "Invoice" };
    xml.text.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        xml.text,
        "<{root} xmlns=\"urn:oasis:names:specification:ubl:schema:xsd:{root}-2\" \
         xmlns:cac=\"urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2\" \
         xmlns:cbc=\"urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2\">"
    );
    xml.depth = 1;
    head(&mut xml, invoice);
    xml.within("AccountingSupplierParty", |xml| party(xml, &draft.seller));
    xml.within("AccountingCustomerParty", |xml| party(xml, &draft.buyer));
    payment(&mut xml, invoice, tenant);
    totals(&mut xml, invoice, settlement);
    for line in &draft.lines {
        self::line(&mut xml, line, draft.is_credit_note);
    }
    let _ = writeln!(xml.text, "</{root}>");
    xml.text
}

fn head(xml: &mut Xml, invoice: &Invoice) {
    let draft = &invoice.draft;
    xml.leaf("CustomizationID", CUSTOMIZATION);
    xml.leaf("ProfileID", PROFILE);
    xml.leaf("ID", &invoice.number); // BT-1
    xml.leaf("IssueDate", &draft.invoice_date.to_string()); // BT-2
    if draft.is_credit_note {
        xml.leaf("CreditNoteTypeCode", CREDIT_NOTE);
    } else {
        xml.leaf("DueDate", &invoice.payable_by.to_string()); // BT-9
        xml.leaf("InvoiceTypeCode", INVOICE);
    }
    xml.leaf("DocumentCurrencyCode", draft.currency.code()); // BT-5
    if let Some(base) = foreign_base(invoice) {
        xml.leaf("TaxCurrencyCode", base.currency.code()); // BT-6
    }
    xml.leaf("BuyerReference", draft.reference.as_deref().unwrap_or(&draft.account_number)); // BT-10
    for number in &draft.credits {
        xml.within("BillingReference", |xml| {
            xml.within("InvoiceDocumentReference", |xml| xml.leaf("ID", number)); // BT-25
        });
    }
}

/// Amounts restated in the seller's currency, where the invoice has another one.
fn foreign_base(invoice: &Invoice) -> Option<&domain::invoice::BaseAmounts> {
    invoice.base.as_ref().filter(|base| base.currency != invoice.draft.currency)
}

fn party(xml: &mut Xml, party: &Party) {
    let vat = party.vat_number.as_deref().map(plain);
    xml.within("Party", |xml| {
        match (&vat, &party.email) {
            // BT-34, BT-49: Danish companies by CVR, others by mail.
            (Some(vat), _) if vat.starts_with("DK") => {
                xml.leaf_with("EndpointID", &[("schemeID", "0184")], vat);
            }
            (_, Some(email)) => xml.leaf_with("EndpointID", &[("schemeID", "EM")], email),
            _ => {}
        }
        xml.within("PartyName", |xml| xml.leaf("Name", &party.name));
        xml.within("PostalAddress", |xml| {
            let address = &party.address;
            for (name, value) in [
                ("StreetName", &address.line1),
                ("AdditionalStreetName", &address.line2),
                ("CityName", &address.city),
                ("PostalZone", &address.postal_code),
                ("CountrySubentity", &address.state),
            ] {
                if let Some(value) = value {
                    xml.leaf(name, value);
                }
            }
            if let Some(country) = &address.country {
                xml.within("Country", |xml| xml.leaf("IdentificationCode", country));
            }
        });
        if let Some(vat) = &vat {
            xml.within("PartyTaxScheme", |xml| {
                xml.leaf("CompanyID", vat); // BT-31, BT-48
                xml.within("TaxScheme", |xml| xml.leaf("ID", "VAT"));
            });
        }
        xml.within("PartyLegalEntity", |xml| xml.leaf("RegistrationName", &party.name)); // BT-27, BT-44
    });
}

/// VAT numbers carry no blanks or dots on the wire.
fn plain(number: &str) -> String {
    number.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect()
}

fn payment(xml: &mut Xml, invoice: &Invoice, tenant: &Tenant) {
    let iban = tenant.iban.as_deref().map(plain);
    xml.within("PaymentMeans", |xml| {
        xml.leaf("PaymentMeansCode", if iban.is_some() { "30" } else { "1" }); // BT-81
        let own = invoice.payment_reference.as_ref();
        xml.leaf("PaymentID", own.map_or(&invoice.number, |own| &own.reference)); // BT-83
        if let Some(iban) = &iban {
            xml.within("PayeeFinancialAccount", |xml| {
                xml.leaf("ID", iban); // BT-84
                if let Some(bic) = &tenant.bic {
                    xml.within("FinancialInstitutionBranch", |xml| xml.leaf("ID", &plain(bic))); // BT-86
                }
            });
        }
    });
    xml.within("PaymentTerms", |xml| {
        let days = invoice.draft.payment_term;
        xml.leaf("Note", &format!("Net {days} days")); // BT-20
    });
}

/// What was paid and set off so far, at most the whole: nobody is asked to pay less than nothing.
fn prepaid_minor(invoice: &Invoice, settlement: &Settlement) -> i64 {
    let gross_minor = invoice.draft.gross_minor();
    if invoice.draft.is_credit_note { 0 } else { settlement.settled_minor.clamp(0, gross_minor.max(0)) }
}

fn totals(xml: &mut Xml, invoice: &Invoice, settlement: &Settlement) {
    let draft = &invoice.draft;
    xml.within("TaxTotal", |xml| {
        xml.amount("TaxAmount", draft.vat_minor); // BT-110
        for group in &draft.vat_groups {
            xml.within("TaxSubtotal", |xml| {
                xml.amount("TaxableAmount", group.net_minor); // BT-116
                xml.amount("TaxAmount", group.vat_minor); // BT-117
                xml.within("TaxCategory", |xml| {
                    category(xml, group.category, group.rate_pct, Some(group.reason.as_deref()));
                });
            });
        }
    });
    if let Some(base) = foreign_base(invoice) {
        xml.within("TaxTotal", |xml| xml.amount_in("TaxAmount", base.vat_minor, base.currency)); // BT-111
    }
    xml.within("LegalMonetaryTotal", |xml| {
        xml.amount("LineExtensionAmount", draft.net_minor); // BT-106
        xml.amount("TaxExclusiveAmount", draft.net_minor); // BT-109
        xml.amount("TaxInclusiveAmount", draft.gross_minor()); // BT-112
        let prepaid_minor = prepaid_minor(invoice, settlement);
        if prepaid_minor != 0 {
            xml.amount("PrepaidAmount", prepaid_minor); // BT-113
        }
        xml.amount("PayableAmount", draft.gross_minor() - prepaid_minor); // BT-115
    });
}

/// A VAT category. In the breakdown (`reason` given) what is not taxed says why.
fn category(xml: &mut Xml, category: TaxCategory, rate_pct: Decimal, reason: Option<Option<&str>>) {
    xml.leaf("ID", category.code()); // BT-118, BT-151
    if category != TaxCategory::O {
        xml.leaf("Percent", &rate_pct.normalize().to_string()); // BT-119, BT-152
    }
    let untaxed = match category {
        TaxCategory::S | TaxCategory::Z => None,
        TaxCategory::E => Some("Exempt from VAT"),
        TaxCategory::AE => Some("Reverse charge"),
        TaxCategory::K => Some("Intra-community supply"),
        TaxCategory::G => Some("Export outside the EU"),
        TaxCategory::O => Some("Not subject to VAT"),
    };
    if let (Some(reason), Some(usual)) = (reason, untaxed) {
        xml.leaf("TaxExemptionReason", reason.unwrap_or(usual)); // BT-120
    }
    xml.within("TaxScheme", |xml| xml.leaf("ID", "VAT"));
}

fn line(xml: &mut Xml, line: &Line, is_credit_note: bool) {
    let (name, counted) = if is_credit_note {
        ("CreditNoteLine", "CreditedQuantity")
    } else {
        ("InvoiceLine", "InvoicedQuantity")
    };
    let (quantity, price, discount_minor) = priced(line, xml.currency);
    let quantity = if is_credit_note { -quantity } else { quantity };
    xml.within(name, |xml| {
        xml.leaf("ID", &line.number.to_string()); // BT-126
        xml.leaf_with(counted, &[("unitCode", ONE)], &quantity.normalize().to_string()); // BT-129
        xml.amount("LineExtensionAmount", line.subtotal_minor); // BT-131
        if !line.period.is_empty() {
            xml.within("InvoicePeriod", |xml| {
                xml.leaf("StartDate", &line.period.start.to_string()); // BT-134
                xml.leaf("EndDate", &line.period.last_day().to_string()); // BT-135
            });
        }
        if discount_minor != 0 {
            xml.within("AllowanceCharge", |xml| {
                xml.leaf("ChargeIndicator", "false");
                let text = line.discount_text.as_deref().filter(|text| !text.is_empty());
                xml.leaf("AllowanceChargeReason", text.unwrap_or("Discount")); // BT-139
                xml.amount("Amount", discount_minor); // BT-136
            });
        }
        xml.within("Item", |xml| {
            if !line.description.trim().is_empty() {
                xml.leaf("Description", line.description.trim()); // BT-154
            }
            xml.leaf("Name", line.title.trim()); // BT-153
            if !line.sku.is_empty() {
                xml.within("SellersItemIdentification", |xml| xml.leaf("ID", &line.sku)); // BT-155
            }
            xml.within("ClassifiedTaxCategory", |xml| category(xml, line.tax_category, line.tax_pct, None));
        });
        xml.within("Price", |xml| {
            let currency = xml.currency;
            let price = price.normalize().to_string();
            xml.leaf_with("PriceAmount", &[("currencyID", currency.code())], &price); // BT-146
        });
    });
}

/// Quantity, price of 0 or more, and discount, such that quantity × price − discount is the line's net. What is printed is
/// taken where it multiplies out; gross prices and rounded ones become 1 × the amount.
fn priced(line: &Line, currency: Currency) -> (Decimal, Decimal, i64) {
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

/// Elements written one after the other, indented.
struct Xml {
    text: String,
    depth: usize,
    currency: Currency,
    /// A credit note's amounts have the other sign.
    mirrored: bool,
}

impl Xml {
    fn new(currency: Currency, mirrored: bool) -> Self {
        Self { text: String::new(), depth: 0, currency, mirrored }
    }

    fn within(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        let indent = "  ".repeat(self.depth);
        let _ = writeln!(self.text, "{indent}<cac:{name}>");
        self.depth += 1;
        content(self);
        self.depth -= 1;
        let _ = writeln!(self.text, "{indent}</cac:{name}>");
    }

    fn leaf(&mut self, name: &str, value: &str) {
        self.leaf_with(name, &[], value);
    }

    fn leaf_with(&mut self, name: &str, attributes: &[(&str, &str)], value: &str) {
        let indent = "  ".repeat(self.depth);
        let attributes: String =
            attributes.iter().map(|(name, value)| format!(" {name}=\"{}\"", escaped(value))).collect();
        let _ = writeln!(self.text, "{indent}<cbc:{name}{attributes}>{}</cbc:{name}>", escaped(value));
    }

    fn amount(&mut self, name: &str, minor: i64) {
        self.amount_in(name, minor, self.currency);
    }

    fn amount_in(&mut self, name: &str, minor: i64, currency: Currency) {
        let minor = if self.mirrored { -minor } else { minor };
        let text = Money::new(minor, currency).decimal().to_string();
        self.leaf_with(name, &[("currencyID", currency.code())], &text);
    }
}

/// Text as XML holds it; characters that XML cannot hold are left out.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(' '),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn what_xml_cannot_hold_is_escaped_or_left_out() {
        assert_eq!(escaped("Kaffe & <Co>\u{0} \"æ\""), "Kaffe &amp; &lt;Co&gt; &quot;æ&quot;");
    }

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
