//! What the countries ask for beyond the standard: Peppol's national rules, by their names, that can be broken by what a
//! book holds. Others concern parts that we never write (DK-R-003 classifications, DK-R-004 duties, DK-R-013 other
//! identifiers) or that are right by their making (DK-R-005 to 011 and 016: see `means` and `is_credit`).

use super::{Gap, Side, Written};
use domain::Decimal;
use domain::catalogue::TaxCategory;
use domain::customer::Address;
use domain::einvoice::{Format, Identifier};

const LAW: &str = "the rules of the seller's country ask for it";

/// What the seller's country asks of this document.
pub(super) fn gaps(written: &Written<'_>) -> Vec<Gap> {
    let is_domestic = written.seller.country() == written.buyer.country();
    let mut gaps = match written.seller.country() {
        Some("DK") => legal_id(written, &["0184"], "DK-R-002 and DK-R-014", Needed::Yes),
        Some("GR") => greek(written),
        Some("IS") => icelandic(written, is_domestic),
        Some("IT") => italian(written),
        Some("NL") => dutch(written, is_domestic),
        Some("NO") => norwegian(written),
        Some("SE") => swedish(written),
        _ => Vec::new(),
    };
    if written.format == Format::XRechnung || (written.seller.country() == Some("DE") && is_domestic) {
        gaps.extend(german(written));
    }
    gaps
}

/// A part of an address: its field in the book, and how it is found.
type AddressPart = (&'static str, fn(&Address) -> Option<&String>);
const STREET: AddressPart = ("addressline1", |address| address.line1.as_ref());
const POSTAL_CODE: AddressPart = ("postalcode", |address| address.postal_code.as_ref());
const CITY: AddressPart = ("city", |address| address.city.as_ref());

#[derive(Clone, Copy)]
enum Of {
    Seller,
    Buyer,
}

impl Written<'_> {
    fn side(&self, of: Of) -> &Side<'_> {
        match of {
            Of::Seller => &self.seller,
            Of::Buyer => &self.buyer,
        }
    }

    fn at(&self, of: Of, field: &str) -> String {
        match of {
            Of::Seller => self.at_seller(field),
            Of::Buyer => self.at_buyer(field),
        }
    }
}

/// What is missing of an address.
fn address(written: &Written<'_>, of: Of, parts: &[AddressPart], rule: &str) -> Vec<Gap> {
    let address = &written.side(of).party.address;
    let missing = parts.iter().filter(|(_, part)| part(address).is_none());
    missing
        .map(|(field, _)| Gap::new(written.at(of, field), format!("is missing ({rule})")).hint(LAW))
        .collect()
}

enum Needed {
    Yes,
    /// Only its scheme is judged.
    IfGiven,
}

fn legal_id(written: &Written<'_>, schemes: &[&str], rule: &str, needed: Needed) -> Vec<Gap> {
    legal_id_of(written, Of::Seller, schemes, rule, needed)
}

fn legal_id_of(written: &Written<'_>, of: Of, schemes: &[&str], rule: &str, needed: Needed) -> Vec<Gap> {
    let id = written.side(of).legal_id.as_ref();
    let message = match (id, needed) {
        (Some(Identifier { scheme, .. }), _) if schemes.contains(&scheme.as_str()) => return Vec::new(),
        (None, Needed::IfGiven) => return Vec::new(),
        (Some(Identifier { scheme, .. }), _) => {
            format!("has scheme {scheme}, {} was expected ({rule})", schemes.join(" or "))
        }
        (None, Needed::Yes) => format!("is missing: a number of scheme {} ({rule})", schemes.join(" or ")),
    };
    vec![Gap::new(written.at(of, "legalid"), message).hint(LAW)]
}

/// Greek numbers hold date, branch and type, and are registered with a mark before they are sent (GR-R-001 to 010).
fn greek(written: &Written<'_>) -> Vec<Gap> {
    let message = "sellers in Greece number and register invoices in a form that is not made here (GR-R-001 to GR-R-004)";
    vec![Gap::new(written.of.invoice.number.clone(), message).hint("send the PDF")]
}

fn icelandic(written: &Written<'_>, is_domestic: bool) -> Vec<Gap> {
    let mut gaps = legal_id(written, &["0196"], "IS-R-002", Needed::Yes);
    gaps.extend(address(written, Of::Seller, &[STREET, POSTAL_CODE], "IS-R-003"));
    if is_domestic {
        gaps.extend(legal_id_of(written, Of::Buyer, &["0196"], "IS-R-004", Needed::Yes));
        gaps.extend(address(written, Of::Buyer, &[STREET, POSTAL_CODE], "IS-R-005"));
    }
    gaps
}

fn italian(written: &Written<'_>) -> Vec<Gap> {
    let mut gaps = address(written, Of::Seller, &[STREET, POSTAL_CODE, CITY], "IT-R-002 to IT-R-004");
    gaps.extend(tax_number(written, "IT-R-001"));
    gaps
}

/// Here the number of a register does not stand for a VAT number.
fn tax_number(written: &Written<'_>, rule: &str) -> Option<Gap> {
    let is_written = written.seller.tax_number.is_some();
    let message = format!("is missing: the register's number does not stand for it ({rule})");
    is_written.then(|| Gap::new(written.at_seller("companyvat"), message).hint(LAW))
}

fn dutch(written: &Written<'_>, is_domestic: bool) -> Vec<Gap> {
    const REGISTERS: &[&str] = &["0106", "0190"];
    let mut gaps = address(written, Of::Seller, &[STREET, POSTAL_CODE, CITY], "NL-R-002");
    gaps.extend(legal_id(written, REGISTERS, "NL-R-003", Needed::IfGiven));
    let draft = &written.of.invoice.draft;
    if written.is_credit && draft.credits.is_empty() {
        let message = "a credit note names the invoice that it credits (NL-R-001)";
        gaps.push(Gap::new(written.of.invoice.number.clone(), message).hint("send the PDF"));
    }
    if is_domestic {
        gaps.extend(address(written, Of::Buyer, &[STREET, POSTAL_CODE, CITY], "NL-R-004"));
        gaps.extend(legal_id_of(written, Of::Buyer, REGISTERS, "NL-R-005", Needed::IfGiven));
        gaps.extend(account(written, "NL-R-008"));
    }
    gaps
}

/// An account that money can be transferred to, unless nobody has to pay.
fn account(written: &Written<'_>, rule: &str) -> Option<Gap> {
    let means = written.means.as_ref();
    let is_missing = means.is_some_and(|means| means.account.is_none());
    let message = format!("is missing: the account to pay to ({rule})");
    is_missing.then(|| Gap::new(written.at_seller("iban"), message).hint(LAW))
}

/// NO-R-001: the number of the register with its check digit. The address that is made of it has none if it does not fit.
fn norwegian(written: &Written<'_>) -> Vec<Gap> {
    let Some(number) = written.seller.vat_number.as_deref().filter(|number| number.starts_with("NO")) else {
        return Vec::new();
    };
    if Identifier::legal_of(number).is_some() {
        return Vec::new();
    }
    let message = format!("`{number}` is no number of the Norwegian register (NO-R-001)");
    vec![Gap::new(written.at_seller("companyvat"), message).hint(LAW)]
}

fn swedish(written: &Written<'_>) -> Vec<Gap> {
    let mut gaps = legal_id(written, &["0007"], "SE-R-003, SE-R-004, SE-R-013", Needed::IfGiven);
    gaps.extend(tax_number(written, "SE-R-005"));
    let number = written.seller.vat_number.as_deref();
    let is_formed = |number: &str| number.len() == 14 && number.bytes().skip(2).all(|b| b.is_ascii_digit());
    if let Some(number) = number.filter(|number| number.starts_with("SE") && !is_formed(number)) {
        let message = format!("`{number}` has not the form SE and 12 digits (SE-R-001)");
        gaps.push(Gap::new(written.at_seller("companyvat"), message).hint(LAW));
    }
    let is_swedish = |rate: Decimal| [25, 12, 6].into_iter().any(|known| rate == Decimal::from(known));
    let groups = &written.of.invoice.draft.vat_groups;
    let other = groups.iter().find(|group| group.category == TaxCategory::S && !is_swedish(group.rate_pct));
    if let (Some(group), Some(_)) = (other, number) {
        let message =
            format!("VAT of {} % is no Swedish rate: 25, 12 and 6 % are (SE-R-006)", group.rate_pct);
        gaps.push(Gap::new(written.of.invoice.number.clone(), message).hint("send the PDF"));
    }
    gaps
}

/// Between Germans, and by XRechnung: DE-R-001 to DE-R-009, which are its BR-DE-1 to BR-DE-9.
fn german(written: &Written<'_>) -> Vec<Gap> {
    let mut gaps = address(written, Of::Seller, &[POSTAL_CODE, CITY], "DE-R-003 and DE-R-004");
    gaps.extend(address(written, Of::Buyer, &[POSTAL_CODE, CITY], "DE-R-008 and DE-R-009"));
    let tenant = written.of.tenant;
    for (field, value, rule) in [("phone", &tenant.phone, "DE-R-006"), ("email", &tenant.email, "DE-R-007")] {
        if value.is_none() {
            let message = format!("is missing: a contact at the seller's ({rule})");
            gaps.push(Gap::new(written.at_seller(field), message).hint(LAW));
        }
    }
    if tenant.iban.is_none() {
        let message = "is missing: the account to pay to (DE-R-001)";
        gaps.push(Gap::new(written.at_seller("iban"), message).hint(LAW));
    }
    gaps
}

#[cfg(test)]
mod tests {
    use crate::EInvoice;
    use crate::sample;
    use domain::catalogue::Tenant;
    use domain::customer::Customer;
    use domain::einvoice::{Format, Identifier};
    use domain::invoice::{Invoice, InvoiceStatus, Settlement};
    use domain::payment_reference::{ReferenceKind, ReferenceRule};

    struct Case {
        invoice: Invoice,
        tenant: Tenant,
        payer: Customer,
    }

    impl Case {
        /// A Danish invoice to a Danish customer that is known by its VAT number.
        fn new() -> Self {
            Self { invoice: sample::one_page(), tenant: sample::tenant(), payer: sample::customer() }
        }

        fn xml(&self) -> Result<String, Vec<String>> {
            let settlement = Settlement::open(InvoiceStatus::Booked);
            let document = EInvoice {
                invoice: &self.invoice,
                settlement: &settlement,
                tenant: &self.tenant,
                payer: &self.payer,
            };
            document.xml(Format::Peppol).map_err(|gaps| gaps.into_iter().map(|gap| gap.place).collect())
        }
    }

    /// What the element of this name holds, the first time.
    fn part<'x>(xml: &'x str, name: &str) -> Option<&'x str> {
        let tail = xml.split_once(&format!("<cbc:{name}"))?.1;
        tail.split_once('>')?.1.split_once('<').map(|(text, _)| text)
    }

    fn between<'x>(xml: &'x str, name: &str) -> &'x str {
        xml.split(&format!("cac:{name}>")).nth(1).unwrap_or_default()
    }

    #[test]
    fn a_danish_seller_is_known_by_its_cvr() {
        // DK-R-002, DK-R-014
        let mut case = Case::new();
        let xml = case.xml().unwrap();
        let entity = between(between(&xml, "AccountingSupplierParty"), "PartyLegalEntity");
        assert!(entity.contains("schemeID=\"0184\">DK12345678<"), "{xml}");
        case.tenant.identifiers.legal_id = Some(Identifier::legal("0088", "5790000435951").unwrap());
        assert_eq!(case.xml(), Err(vec!["/tenant/legalid".to_owned()]));
        case.tenant.identifiers.legal_id = Some(Identifier::legal("0184", "12345678").unwrap());
        assert!(case.xml().is_ok());
        case.tenant.identifiers.legal_id = None;
        case.invoice.draft.seller.vat_number = None;
        let places = case.xml().unwrap_err();
        assert!(places.contains(&"/tenant/legalid".to_owned()), "{places:?}");
    }

    #[test]
    fn between_danes_the_means_of_payment_are_those_that_danes_take() {
        // DK-R-005 to DK-R-011: the codes, and what each of them wants to have beside it.
        const TAKEN: [&str; 11] = ["1", "10", "31", "42", "48", "49", "50", "58", "59", "93", "97"];
        const DANISH: Option<&str> = Some("DK5000400440116243");
        const GERMAN: Option<&str> = Some("DE89370400440532013000");
        for (iban, bic, currency, code, account) in [
            (DANISH, None, "DKK", "42", Some("0440116243")),
            (DANISH, Some("NDEADKKK"), "DKK", "42", Some("0440116243")),
            (DANISH, None, "EUR", "58", DANISH),
            (GERMAN, Some("COBADEFF"), "DKK", "31", GERMAN),
            (GERMAN, None, "DKK", "1", GERMAN),
            (GERMAN, None, "EUR", "58", GERMAN),
            (None, None, "DKK", "1", None),
        ] {
            let mut case = Case::new();
            case.tenant.iban = iban.map(str::to_owned);
            case.tenant.bic = bic.map(str::to_owned);
            case.invoice.draft.currency = currency.parse().unwrap();
            let xml = case.xml().unwrap();
            let means = between(&xml, "PaymentMeans");
            assert_eq!(part(means, "PaymentMeansCode"), Some(code), "{iban:?} {bic:?} {currency}");
            assert!(TAKEN.contains(&code));
            let payee = between(means, "PayeeFinancialAccount");
            assert_eq!(part(payee, "ID"), account, "{xml}");
            if matches!(code, "31" | "42") {
                assert!(part(between(payee, "FinancialInstitutionBranch"), "ID").is_some(), "{xml}");
            }
        }
        let mut case = Case::new();
        let creditor = Some("81234567".to_owned());
        let rule = ReferenceRule { kind: ReferenceKind::Fi71, length: None, creditor };
        case.invoice.payment_reference = rule.reference(7);
        let xml = case.xml().unwrap();
        let means = between(&xml, "PaymentMeans");
        assert_eq!(part(means, "PaymentMeansCode"), Some("93"), "a payment slip");
        assert_eq!(part(between(means, "PayeeFinancialAccount"), "ID"), Some("81234567"));
        let stated = part(means, "PaymentID").unwrap();
        assert!(stated.starts_with("71#") && stated.len() == 18, "{stated}");
        case.invoice.draft.buyer.address.country = Some("SE".to_owned());
        assert_eq!(part(&case.xml().unwrap(), "PaymentMeansCode"), Some("30"), "beyond Denmark");
    }

    #[test]
    fn no_danish_credit_note_is_below_zero_and_no_part_is_written_that_danes_judge() {
        // DK-R-016, and DK-R-003, DK-R-004, DK-R-013.
        let mut case = Case::new();
        let forth = case.xml().unwrap();
        case.invoice.draft.is_credit_note = true;
        let above = case.xml().unwrap();
        assert!(
            above.contains("<Invoice ") && part(&above, "PayableAmount") == part(&forth, "PayableAmount")
        );
        for minor in [&mut case.invoice.draft.net_minor, &mut case.invoice.draft.vat_minor] {
            *minor = -*minor;
        }
        let below = case.xml().unwrap();
        assert!(
            below.contains("<CreditNote ") && part(&below, "PayableAmount") == part(&forth, "PayableAmount")
        );
        for xml in [&forth, &above, &below] {
            for never in ["CommodityClassification", "AllowanceChargeReasonCode", "PartyIdentification"] {
                assert!(!xml.contains(never), "{never}: {xml}");
            }
        }
    }

    #[test]
    fn each_country_says_what_it_misses() {
        let from = |country: &str, number: Option<&str>| {
            let mut case = Case::new();
            case.invoice.draft.seller.address.country = Some(country.to_owned());
            case.invoice.draft.seller.vat_number = number.map(str::to_owned);
            case.tenant.identifiers.electronic_address =
                Some(Identifier::address("0088", "5790000435951").unwrap());
            case
        };
        let within = |country: &str, number: Option<&str>| {
            let mut case = from(country, number);
            case.invoice.draft.buyer.address.country = Some(country.to_owned());
            case
        };
        let places = |case: &Case| case.xml().err().unwrap_or_default();
        assert_eq!(places(&from("SE", Some("SE556732170701"))), Vec::<String>::new());
        assert_eq!(places(&from("NO", Some("NO991825827"))), Vec::<String>::new());
        assert!(from("NO", Some("NO991825827")).xml().unwrap().contains(">NO991825827MVA<"), "NO-R-001");
        assert_eq!(places(&from("NO", Some("NO991825828"))), ["/tenant/companyvat"]);
        assert_eq!(places(&from("GR", Some("EL094014201"))), ["INV-0000001"]);
        assert_eq!(places(&from("IS", Some("IS12345"))), ["/tenant/legalid"]);
        let mut nowhere = from("IT", Some("IT00743110157"));
        nowhere.invoice.draft.seller.address.line1 = None;
        assert_eq!(places(&nowhere), ["/tenant/addressline1"]);
        let mut unpaid = within("NL", Some("NL123456789B01"));
        unpaid.tenant.iban = None;
        unpaid.invoice.draft.buyer.address.city = None;
        unpaid.payer.identifiers.legal_id = Some(Identifier::legal("0088", "5790000435951").unwrap());
        let expected =
            ["/customers/CU-0001/city", "/customers/CU-0001/legalid", "/tenant/iban"].map(str::to_owned);
        let mut found = places(&unpaid);
        found.sort();
        assert_eq!(found, expected);
        let mut silent = within("DE", Some("DE123456788"));
        silent.tenant.phone = None;
        silent.tenant.iban = None;
        assert_eq!(places(&silent), ["/tenant/phone", "/tenant/iban"]);
        let mut oddly = from("SE", Some("SE556732170701"));
        oddly.invoice.draft.vat_groups[0].rate_pct = sample::decimal("24");
        assert_eq!(places(&oddly), ["INV-0000001"], "SE-R-006");
    }
}
