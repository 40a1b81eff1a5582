//! UN/CEFACT's Cross Industry Invoice in the form of Factur-X and ZUGFeRD, profile EN 16931: what a PDF carries inside. The
//! numbers in comments are the standard's business terms; elements stand in the order of the schema.

use super::content::{
    CREDIT_NOTE, INVOICE, ONE, buyer_reference, discount_reason, exemption, foreign_base, line_name,
    prepaid_minor, priced, terms,
};
use super::means::Means;
use super::xml::Xml;
use super::{Side, Written};
use chrono::NaiveDate;
use domain::catalogue::TaxCategory;
use domain::invoice::{Line, VatGroup};
use domain::period::Period;
use std::fmt::Write;

/// BT-24.
const PROFILE: &str = "urn:cen.eu:en16931:2017";

/// The XML of what has no gaps.
pub(super) fn cii(written: &Written<'_>) -> String {
    let draft = &written.of.invoice.draft;
    let mut xml = Xml::of_prefix("ram", draft.currency, written.is_credit);
    xml.text.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let _ = writeln!(
        xml.text,
        "<rsm:CrossIndustryInvoice xmlns:rsm=\"urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100\" \
         xmlns:ram=\"urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100\" \
         xmlns:udt=\"urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100\">"
    );
    xml.depth = 1;
    head(&mut xml, written);
    xml.within("rsm:SupplyChainTradeTransaction", |xml| {
        for line in &draft.lines {
            self::line(xml, line);
        }
        xml.within("ApplicableHeaderTradeAgreement", |xml| agreement(xml, written));
        xml.within("ApplicableHeaderTradeDelivery", |xml| delivery(xml, written));
        xml.within("ApplicableHeaderTradeSettlement", |xml| settlement(xml, written));
    });
    xml.text.push_str("</rsm:CrossIndustryInvoice>\n");
    xml.text
}

fn head(xml: &mut Xml, written: &Written<'_>) {
    let invoice = written.of.invoice;
    xml.within("rsm:ExchangedDocumentContext", |xml| {
        xml.within("GuidelineSpecifiedDocumentContextParameter", |xml| xml.leaf("ID", PROFILE));
    });
    xml.within("rsm:ExchangedDocument", |xml| {
        xml.leaf("ID", &invoice.number); // BT-1
        xml.leaf("TypeCode", if written.is_credit { CREDIT_NOTE } else { INVOICE }); // BT-3
        day(xml, "IssueDateTime", invoice.draft.invoice_date); // BT-2
    });
}

fn day(xml: &mut Xml, name: &str, day: NaiveDate) {
    const YEAR_MONTH_DAY: &str = "102";
    let text = day.format("%Y%m%d").to_string();
    xml.within(name, |xml| xml.leaf_with("udt:DateTimeString", &[("format", YEAR_MONTH_DAY)], &text));
}

fn period(xml: &mut Xml, period: Period) {
    xml.within("BillingSpecifiedPeriod", |xml| {
        day(xml, "StartDateTime", period.start); // BT-73, BT-134
        day(xml, "EndDateTime", period.last_day()); // BT-74, BT-135
    });
}

fn line(xml: &mut Xml, line: &Line) {
    let (quantity, price, discount_minor) = priced(line, xml.currency);
    let quantity = if xml.mirrored { -quantity } else { quantity };
    xml.within("IncludedSupplyChainTradeLineItem", |xml| {
        xml.within("AssociatedDocumentLineDocument", |xml| xml.leaf("LineID", &line.number.to_string())); // BT-126
        xml.within("SpecifiedTradeProduct", |xml| {
            xml.leaf("SellerAssignedID", &line.sku); // BT-155
            xml.leaf("Name", line_name(line)); // BT-153
            xml.leaf("Description", line.description.trim()); // BT-154
        });
        xml.within("SpecifiedLineTradeAgreement", |xml| {
            xml.within("NetPriceProductTradePrice", |xml| {
                xml.leaf("ChargeAmount", &price.normalize().to_string()); // BT-146
            });
        });
        xml.within("SpecifiedLineTradeDelivery", |xml| {
            xml.leaf_with("BilledQuantity", &[("unitCode", ONE)], &quantity.normalize().to_string()); // BT-129
        });
        xml.within("SpecifiedLineTradeSettlement", |xml| {
            xml.within("ApplicableTradeTax", |xml| {
                xml.leaf("TypeCode", "VAT");
                xml.leaf("CategoryCode", line.tax_category.code()); // BT-151
                if line.tax_category != TaxCategory::O {
                    xml.leaf("RateApplicablePercent", &line.tax_pct.normalize().to_string()); // BT-152
                }
            });
            if !line.period.is_empty() {
                period(xml, line.period);
            }
            if discount_minor != 0 {
                xml.within("SpecifiedTradeAllowanceCharge", |xml| {
                    xml.within("ChargeIndicator", |xml| xml.leaf("udt:Indicator", "false"));
                    xml.plain_amount("ActualAmount", discount_minor); // BT-136
                    xml.leaf("Reason", discount_reason(line)); // BT-139
                });
            }
            xml.within("SpecifiedTradeSettlementLineMonetarySummation", |xml| {
                xml.plain_amount("LineTotalAmount", line.subtotal_minor); // BT-131
            });
        });
    });
}

fn agreement(xml: &mut Xml, written: &Written<'_>) {
    let tenant = written.of.tenant;
    xml.leaf("BuyerReference", buyer_reference(written)); // BT-10
    xml.within("SellerTradeParty", |xml| {
        named(xml, &written.seller);
        if tenant.phone.is_some() || tenant.email.is_some() {
            xml.within("DefinedTradeContact", |xml| {
                xml.leaf("PersonName", &written.seller.party.name); // BT-41
                if let Some(phone) = &tenant.phone {
                    xml.within("TelephoneUniversalCommunication", |xml| xml.leaf("CompleteNumber", phone)); // BT-42
                }
                if let Some(mail) = &tenant.email {
                    xml.within("EmailURIUniversalCommunication", |xml| xml.leaf("URIID", mail)); // BT-43
                }
            });
        }
        addressed(xml, &written.seller);
    });
    xml.within("BuyerTradeParty", |xml| {
        named(xml, &written.buyer);
        addressed(xml, &written.buyer);
    });
}

fn named(xml: &mut Xml, side: &Side<'_>) {
    xml.leaf("Name", &side.party.name); // BT-27, BT-44
    if let Some(id) = &side.legal_id {
        xml.within("SpecifiedLegalOrganization", |xml| {
            xml.leaf_with("ID", &[("schemeID", &id.scheme)], &id.value); // BT-30, BT-47
        });
    }
}

fn addressed(xml: &mut Xml, side: &Side<'_>) {
    let address = &side.party.address;
    xml.within("PostalTradeAddress", |xml| {
        for (name, value) in [
            ("PostcodeCode", &address.postal_code),
            ("LineOne", &address.line1),
            ("LineTwo", &address.line2),
            ("CityName", &address.city),
            ("CountryID", &address.country),
            ("CountrySubDivisionName", &address.state),
        ] {
            value.iter().for_each(|value| xml.leaf(name, value));
        }
    });
    if let Some(address) = &side.address {
        xml.within("URIUniversalCommunication", |xml| {
            xml.leaf_with("URIID", &[("schemeID", &address.scheme)], &address.value); // BT-34, BT-49
        });
    }
    // BT-31, BT-48; BT-32
    for (scheme, number) in [("VA", &side.vat_number), ("FC", &side.tax_number)] {
        if let Some(number) = number {
            xml.within("SpecifiedTaxRegistration", |xml| {
                xml.leaf_with("ID", &[("schemeID", scheme)], number);
            });
        }
    }
}

/// Where to, and when (BR-IC-11, BR-IC-12): an element of the schema that may not be empty.
fn delivery(xml: &mut Xml, written: &Written<'_>) {
    let of = written.of;
    xml.within("ShipToTradeParty", |xml| {
        let to = written.deliver_to.unwrap_or_default();
        xml.within("PostalTradeAddress", |xml| xml.leaf("CountryID", to)); // BT-80
    });
    if written.period.is_none() {
        xml.within("ActualDeliverySupplyChainEvent", |xml| {
            day(xml, "OccurrenceDateTime", of.invoice.draft.charge_date); // BT-72
        });
    }
}

fn settlement(xml: &mut Xml, written: &Written<'_>) {
    let (invoice, draft) = (written.of.invoice, &written.of.invoice.draft);
    if let Some(means) = &written.means {
        xml.leaf("PaymentReference", &means.reference); // BT-83
    }
    if let Some(base) = foreign_base(invoice) {
        xml.leaf("TaxCurrencyCode", base.currency.code()); // BT-6
    }
    xml.leaf("InvoiceCurrencyCode", draft.currency.code()); // BT-5
    if let Some(means) = &written.means {
        payment(xml, means);
    }
    for group in &draft.vat_groups {
        tax(xml, group);
    }
    if let Some(of_all) = written.period {
        period(xml, of_all);
    }
    xml.within("SpecifiedTradePaymentTerms", |xml| {
        xml.leaf("Description", &terms(written)); // BT-20
        if !written.is_credit {
            day(xml, "DueDateDateTime", invoice.payable_by); // BT-9
        }
    });
    totals(xml, written);
    for number in &draft.credits {
        xml.within("InvoiceReferencedDocument", |xml| xml.leaf("IssuerAssignedID", number)); // BT-25
    }
}

fn payment(xml: &mut Xml, means: &Means) {
    xml.within("SpecifiedTradeSettlementPaymentMeans", |xml| {
        xml.leaf("TypeCode", means.code); // BT-81
        let Some(account) = &means.account else { return };
        let has_iban = account.number.starts_with(|c: char| c.is_ascii_alphabetic());
        xml.within("PayeePartyCreditorFinancialAccount", |xml| {
            xml.leaf(if has_iban { "IBANID" } else { "ProprietaryID" }, &account.number); // BT-84
        });
        if let Some(branch) = &account.branch {
            xml.within("PayeeSpecifiedCreditorFinancialInstitution", |xml| xml.leaf("BICID", branch)); // BT-86
        }
    });
}

fn tax(xml: &mut Xml, group: &VatGroup) {
    let (code, reason) = exemption(group);
    xml.within("ApplicableTradeTax", |xml| {
        xml.plain_amount("CalculatedAmount", group.vat_minor); // BT-117
        xml.leaf("TypeCode", "VAT");
        xml.leaf("ExemptionReason", reason.unwrap_or_default()); // BT-120
        xml.plain_amount("BasisAmount", group.net_minor); // BT-116
        xml.leaf("CategoryCode", group.category.code()); // BT-118
        xml.leaf("ExemptionReasonCode", code.unwrap_or_default()); // BT-121
        if group.category != TaxCategory::O {
            xml.leaf("RateApplicablePercent", &group.rate_pct.normalize().to_string()); // BT-119
        }
    });
}

fn totals(xml: &mut Xml, written: &Written<'_>) {
    let (invoice, draft) = (written.of.invoice, &written.of.invoice.draft);
    let prepaid_minor = prepaid_minor(invoice, written.of.settlement);
    xml.within("SpecifiedTradeSettlementHeaderMonetarySummation", |xml| {
        xml.plain_amount("LineTotalAmount", draft.net_minor); // BT-106
        xml.plain_amount("TaxBasisTotalAmount", draft.net_minor); // BT-109
        xml.amount("TaxTotalAmount", draft.vat_minor); // BT-110
        if let Some(base) = foreign_base(invoice) {
            xml.amount_in("TaxTotalAmount", base.vat_minor, base.currency); // BT-111
        }
        xml.plain_amount("GrandTotalAmount", draft.gross_minor()); // BT-112
        if prepaid_minor != 0 {
            xml.plain_amount("TotalPrepaidAmount", prepaid_minor); // BT-113
        }
        xml.plain_amount("DuePayableAmount", draft.gross_minor() - prepaid_minor); // BT-115
    });
}
