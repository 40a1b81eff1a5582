//! Text that the law of the seller's country requires on an invoice, and that only the seller can say. Article 226 of the VAT
//! directive asks for names, addresses, numbers and reasons everywhere; the countries add registers and terms.

use super::ObjectWarnings;
use crate::book_file::ObjectKind;
use crate::catalogue::{Catalogue, TaxCategory, Tenant};

/// What a country adds: is it said, and how it is said where it is not.
type LegalWord = (fn(&Tenant) -> bool, &'static str, &'static str);

fn has_registration(tenant: &Tenant) -> bool {
    tenant.paper.registration.is_some()
}

fn has_register_number(tenant: &Tenant) -> bool {
    tenant.identifiers.legal_id.is_some()
}

fn has_note(tenant: &Tenant) -> bool {
    tenant.invoice_note.is_some() || !tenant.paper.notes.is_empty()
}

/// Companies whose registration is told: not one-man firms.
fn is_company_of(tenant: &Tenant, endings: &[&str]) -> bool {
    endings
        .iter()
        .any(|ending| tenant.fullname.trim_end_matches('.').to_uppercase().ends_with(&format!(" {ending}")))
}

/// What is wanted in a country besides the directive.
fn wanted(country: &str) -> &'static [LegalWord] {
    match country {
        "DE" => &[(
            |tenant| has_registration(tenant) || !is_company_of(tenant, &["GMBH", "AG", "UG", "KG", "SE"]),
            "registration",
            "German companies name their seat, register and managers on letters (§ 35a GmbHG): for example \
             \"Sitz Hamburg · HRB 12345, Amtsgericht Hamburg · Geschäftsführerin A. Beispiel\"",
        )],
        "FR" => &[
            (
                has_registration,
                "registration",
                "French companies name their form, capital and register (R123-237 du Code de commerce): for example \
                 \"SAS au capital de 10 000 € · RCS Paris 123 456 789\"",
            ),
            (
                has_note,
                "invoicenote",
                "French invoices name the interest for late payment and the 40 € for recovery (L441-9 du Code de \
                 commerce): say them in the note, or by language in `invoicenotes`",
            ),
        ],
        "NL" => &[(
            has_register_number,
            "legalid",
            "Dutch invoices name the number of the Handelsregister: {\"scheme\": \"0106\", \"value\": \"12345678\"}",
        )],
        "NO" => &[(
            |tenant| has_registration(tenant) || !is_company_of(tenant, &["AS", "ASA", "NUF"]),
            "registration",
            "Norwegian companies name their register (bokføringsforskriften § 5-1-2): \"Foretaksregisteret\"",
        )],
        "SE" => &[(
            has_registration,
            "registration",
            "Swedish invoices say that the seller is approved for F-tax, and companies their seat: for example \
             \"Godkänd för F-skatt · Säte Stockholm\"",
        )],
        // The VAT number is that of the register in Denmark and, but for a hyphen, in Finland.
        _ => &[],
    }
}

/// What is missing of what the law wants, of the seller and of its tax rules.
pub(super) fn warnings(catalogue: &Catalogue) -> Vec<super::Warning> {
    const CODE: &str = "law";
    let tenant = &catalogue.tenant;
    let mut found = ObjectWarnings { kind: ObjectKind::Tenant, key: "tenant", list: Vec::new() };
    let address = &tenant.address;
    let parts =
        [("addressline1", &address.line1), ("postalcode", &address.postal_code), ("city", &address.city)];
    for (field, part) in parts.into_iter().chain([("country", &address.country)]) {
        if part.is_none() {
            let message = "an invoice names the seller's full address (article 226 of the VAT directive)";
            found.add(Some(field), CODE, message.to_owned());
        }
    }
    let is_known = tenant.company_vat.is_some() || has_register_number(tenant) || has_registration(tenant);
    if !is_known {
        let message = "an invoice names a number by which the tax office knows the seller: `companyvat`, or its tax number in \
                       `registration`";
        found.add(Some("companyvat"), CODE, message.to_owned());
    }
    for (is_said, field, message) in wanted(address.country.as_deref().unwrap_or_default()) {
        if !is_said(tenant) {
            found.add(Some(field), CODE, (*message).to_owned());
        }
    }
    let mut list = found.list;
    for rule in &catalogue.tax_rules {
        let has_reason = rule.reason.as_deref().is_some_and(|reason| !reason.trim().is_empty());
        if rule.category == TaxCategory::E && !has_reason {
            let mut found = ObjectWarnings { kind: ObjectKind::TaxRule, key: &rule.fullname, list };
            let message = "an invoice names the provision by which it bears no VAT: set `reason`, for example \"Exempt: \
                           article 132(1)(i), directive 2006/112/EC\"";
            found.add(Some("reason"), CODE, message.to_owned());
            list = found.list;
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book_file::{StoredBook, read_value};
    use serde_json::{Value, json};

    fn fields(changes: &[(&str, Value)]) -> Vec<&'static str> {
        let mut book = json!({"tenant": {"fullname": "Nordlys", "currencycode": "EUR", "timezone": "UTC", "addressline1": "A 1",
            "postalcode": "1", "city": "B"}});
        for (name, value) in changes {
            book["tenant"][*name] = value.clone();
        }
        let set = read_value(&book, &StoredBook::default()).unwrap();
        warnings(&set.catalogue).into_iter().filter_map(|warning| warning.field).collect()
    }

    #[test]
    fn each_country_wants_its_words() {
        let number =
            |country: &str, number: &str| vec![("country", json!(country)), ("companyvat", json!(number))];
        let named = |name: &str, mut rest: Vec<(&'static str, Value)>| {
            rest.push(("fullname", json!(name)));
            rest
        };
        let with = |mut rest: Vec<(&'static str, Value)>, field: &'static str, value: Value| {
            rest.push((field, value));
            rest
        };
        assert_eq!(fields(&number("DK", "DK22756214")), [""; 0]);
        assert_eq!(fields(&number("FI", "FI15601558")), [""; 0]);
        let swedish = number("SE", "SE556732170701");
        assert_eq!(fields(&swedish), ["registration"]);
        assert_eq!(fields(&with(swedish, "registration", json!("Godkänd för F-skatt"))), [""; 0]);
        let german = number("DE", "DE136695976");
        assert_eq!(fields(&german), [""; 0], "a firm of one person");
        assert_eq!(fields(&named("Nordlicht GmbH", german)), ["registration"]);
        assert_eq!(fields(&named("Nordlys AS", number("NO", "NO991825827"))), ["registration"]);
        let french = number("FR", "FR40303265045");
        assert_eq!(fields(&french), ["registration", "invoicenote"]);
        let french = with(french, "registration", json!("RCS Paris 303 265 045"));
        assert_eq!(fields(&with(french, "invoicenotes", json!({"fr": "40 €"}))), [""; 0]);
        assert_eq!(fields(&number("NL", "NL123456789B01")), ["legalid"]);
        assert_eq!(fields(&[("country", json!("DK"))]), ["companyvat"]);
        assert_eq!(
            fields(&[("companyvat", json!("DK22756214")), ("city", Value::Null)]),
            ["city", "country"]
        );
    }
}
