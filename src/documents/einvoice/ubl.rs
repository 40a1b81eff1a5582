//! UBL 2.1 in the form of Peppol BIS Billing 3.0 and of XRechnung 3.0, which are narrower forms of EN 16931. The numbers in
//! comments are the standard's business terms.

use super::content::{
    CREDIT_NOTE, INVOICE, ONE, buyer_reference, discount_reason, exemption, foreign_base, line_name,
    prepaid_minor, priced, terms,
};
use super::xml::Xml;
use super::{Side, Written, has};
use domain::catalogue::TaxCategory;
use domain::einvoice::Format;
use domain::invoice::{Line, VatGroup};
use std::fmt::Write;

pub(super) const PEPPOL: &str = "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0";
pub(super) const XRECHNUNG: &str = "urn:cen.eu:en16931:2017#compliant#urn:xeinkauf.de:kosit:xrechnung_3.0";
const PROFILE: &str = "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0";

/// The XML of what has no gaps. A credit note's amounts are positive there, as the standard wants.
pub(super) fn ubl(written: &Written<'_>, form: &str) -> String {
    let (invoice, draft) = (written.of.invoice, &written.of.invoice.draft);
    let mut xml = Xml::new(draft.currency, written.is_credit);
    let root = if written.is_credit { "CreditNote" } else { "Invoice" };
    xml.text.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        xml.text,
        "<{root} xmlns=\"urn:oasis:names:specification:ubl:schema:xsd:{root}-2\" \
         xmlns:cac=\"urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2\" \
         xmlns:cbc=\"urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2\">"
    );
    xml.depth = 1;
    head(&mut xml, written, form);
    xml.within("AccountingSupplierParty", |xml| xml.within("Party", |xml| seller(xml, written)));
    xml.within("AccountingCustomerParty", |xml| xml.within("Party", |xml| party(xml, &written.buyer)));
    delivery(&mut xml, written);
    payment(&mut xml, written);
    totals(&mut xml, written);
    for line in &draft.lines {
        self::line(&mut xml, line, written);
    }
    let _ = writeln!(xml.text, "</{root}>");
    debug_assert_eq!(xml.depth, 1, "{}", invoice.number);
    xml.text
}

fn head(xml: &mut Xml, written: &Written<'_>, form: &str) {
    let (invoice, draft) = (written.of.invoice, &written.of.invoice.draft);
    xml.leaf("CustomizationID", form);
    xml.leaf("ProfileID", PROFILE);
    xml.leaf("ID", &invoice.number); // BT-1
    xml.leaf("IssueDate", &draft.invoice_date.to_string()); // BT-2
    if written.is_credit {
        xml.leaf("CreditNoteTypeCode", CREDIT_NOTE);
    } else {
        xml.leaf("DueDate", &invoice.payable_by.to_string()); // BT-9
        xml.leaf("InvoiceTypeCode", INVOICE);
    }
    xml.leaf("DocumentCurrencyCode", draft.currency.code()); // BT-5
    if let Some(base) = foreign_base(invoice) {
        xml.leaf("TaxCurrencyCode", base.currency.code()); // BT-6
    }
    xml.leaf("BuyerReference", buyer_reference(written)); // BT-10
    if let Some(period) = &written.period {
        xml.within("InvoicePeriod", |xml| {
            xml.leaf("StartDate", &period.start.to_string()); // BT-73
            xml.leaf("EndDate", &period.last_day().to_string()); // BT-74
        });
    }
    for number in &draft.credits {
        xml.within("BillingReference", |xml| {
            xml.within("InvoiceDocumentReference", |xml| xml.leaf("ID", number)); // BT-25
        });
    }
}

fn party(xml: &mut Xml, side: &Side<'_>) {
    if let Some(address) = &side.address {
        xml.leaf_with("EndpointID", &[("schemeID", &address.scheme)], &address.value); // BT-34, BT-49
    }
    xml.within("PartyName", |xml| xml.leaf("Name", &side.party.name));
    xml.within("PostalAddress", |xml| {
        let address = &side.party.address;
        for (name, value) in [
            ("StreetName", &address.line1),
            ("AdditionalStreetName", &address.line2),
            ("CityName", &address.city),
            ("PostalZone", &address.postal_code),
            ("CountrySubentity", &address.state),
        ] {
            value.iter().for_each(|value| xml.leaf(name, value));
        }
        country(xml, address.country.as_deref().unwrap_or_default());
    });
    if let Some(number) = &side.vat_number {
        tax_scheme(xml, number, "VAT"); // BT-31, BT-48
    }
    if let Some(number) = &side.tax_number {
        tax_scheme(xml, number, "TAX"); // BT-32
    }
    xml.within("PartyLegalEntity", |xml| {
        xml.leaf("RegistrationName", &side.party.name); // BT-27, BT-44
        if let Some(id) = &side.legal_id {
            xml.leaf_with("CompanyID", &[("schemeID", &id.scheme)], &id.value); // BT-30, BT-47
        }
    });
}

fn country(xml: &mut Xml, code: &str) {
    xml.within("Country", |xml| xml.leaf("IdentificationCode", code)); // BT-40, BT-55, BT-80
}

fn tax_scheme(xml: &mut Xml, number: &str, scheme: &str) {
    xml.within("PartyTaxScheme", |xml| {
        xml.leaf("CompanyID", number);
        xml.within("TaxScheme", |xml| xml.leaf("ID", scheme));
    });
}

/// The seller with who answers questions (BG-6), if the book says how.
fn seller(xml: &mut Xml, written: &Written<'_>) {
    party(xml, &written.seller);
    let tenant = written.of.tenant;
    if tenant.phone.is_none() && tenant.email.is_none() {
        return;
    }
    xml.within("Contact", |xml| {
        xml.leaf("Name", &written.seller.party.name); // BT-41
        tenant.phone.iter().for_each(|phone| xml.leaf("Telephone", phone)); // BT-42
        tenant.email.iter().for_each(|mail| xml.leaf("ElectronicMail", mail)); // BT-43
    });
}

/// Within the Union it is told where to and when (BR-IC-11, BR-IC-12).
fn delivery(xml: &mut Xml, written: &Written<'_>) {
    let of = written.of;
    let Some(to) =
        written.deliver_to.filter(|_| has(of, TaxCategory::K) || of.payer.delivery_country.is_some())
    else {
        return;
    };
    xml.within("Delivery", |xml| {
        if written.period.is_none() {
            xml.leaf("ActualDeliveryDate", &of.invoice.draft.charge_date.to_string()); // BT-72
        }
        xml.within("DeliveryLocation", |xml| xml.within("Address", |xml| country(xml, to)));
    });
}

fn payment(xml: &mut Xml, written: &Written<'_>) {
    if let Some(means) = &written.means {
        xml.within("PaymentMeans", |xml| {
            xml.leaf("PaymentMeansCode", means.code); // BT-81
            xml.leaf("PaymentID", &means.reference); // BT-83
            let Some(account) = &means.account else { return };
            xml.within("PayeeFinancialAccount", |xml| {
                xml.leaf("ID", &account.number); // BT-84
                if let Some(branch) = &account.branch {
                    xml.within("FinancialInstitutionBranch", |xml| xml.leaf("ID", branch)); // BT-86
                }
            });
        });
    }
    xml.within("PaymentTerms", |xml| {
        xml.leaf("Note", &terms(written)); // BT-20
    });
}

fn totals(xml: &mut Xml, written: &Written<'_>) {
    let (invoice, draft) = (written.of.invoice, &written.of.invoice.draft);
    xml.within("TaxTotal", |xml| {
        xml.amount("TaxAmount", draft.vat_minor); // BT-110
        for group in &draft.vat_groups {
            xml.within("TaxSubtotal", |xml| {
                xml.amount("TaxableAmount", group.net_minor); // BT-116
                xml.amount("TaxAmount", group.vat_minor); // BT-117
                xml.within("TaxCategory", |xml| {
                    broken_down(xml, group, written);
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
        let prepaid_minor = prepaid_minor(invoice, written.of.settlement);
        if prepaid_minor != 0 {
            xml.amount("PrepaidAmount", prepaid_minor); // BT-113
        }
        xml.amount("PayableAmount", draft.gross_minor() - prepaid_minor); // BT-115
    });
}

/// The VAT category of a group: what is not taxed says why, in a code where there is one.
fn broken_down(xml: &mut Xml, group: &VatGroup, written: &Written<'_>) {
    let (code, reason) = exemption(group);
    xml.leaf("ID", group.category.code()); // BT-118
    // Germans want a rate of everything (BR-DE-14).
    if group.category != TaxCategory::O || written.format == Format::XRechnung || written.is_within("DE") {
        xml.leaf("Percent", &group.rate_pct.normalize().to_string()); // BT-119
    }
    code.into_iter().for_each(|code| xml.leaf("TaxExemptionReasonCode", code)); // BT-121
    reason.into_iter().for_each(|reason| xml.leaf("TaxExemptionReason", reason)); // BT-120
    xml.within("TaxScheme", |xml| xml.leaf("ID", "VAT"));
}

/// The VAT category of a line.
fn category(xml: &mut Xml, line: &Line) {
    xml.leaf("ID", line.tax_category.code()); // BT-151
    if line.tax_category != TaxCategory::O {
        xml.leaf("Percent", &line.tax_pct.normalize().to_string()); // BT-152
    }
    xml.within("TaxScheme", |xml| xml.leaf("ID", "VAT"));
}

fn line(xml: &mut Xml, line: &Line, written: &Written<'_>) {
    let is_credit = written.is_credit;
    let (name, counted) =
        if is_credit { ("CreditNoteLine", "CreditedQuantity") } else { ("InvoiceLine", "InvoicedQuantity") };
    let (quantity, price, discount_minor) = priced(line, xml.currency);
    let quantity = if is_credit { -quantity } else { quantity };
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
                xml.leaf("AllowanceChargeReason", discount_reason(line)); // BT-139
                xml.amount("Amount", discount_minor); // BT-136
            });
        }
        xml.within("Item", |xml| {
            if !line.description.trim().is_empty() {
                xml.leaf("Description", line.description.trim()); // BT-154
            }
            xml.leaf("Name", line_name(line)); // BT-153
            if !line.sku.is_empty() {
                xml.within("SellersItemIdentification", |xml| xml.leaf("ID", &line.sku)); // BT-155
            }
            xml.within("ClassifiedTaxCategory", |xml| category(xml, line));
        });
        xml.within("Price", |xml| {
            let currency = xml.currency;
            let price = price.normalize().to_string();
            xml.leaf_with("PriceAmount", &[("currencyID", currency.code())], &price); // BT-146
        });
    });
}
