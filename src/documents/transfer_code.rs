//! The code that banking apps read from an invoice in euros, so that nobody types an account or a reference: the EPC's
//! guideline EPC069-12, version 002, as a QR code.

use domain::catalogue::Tenant;
use domain::invoice::Invoice;
use domain::money::Money;
use domain::payment_reference::ReferenceKind;
use qrcode::{Color, EcLevel, QrCode, Version};

/// The guideline's limits: characters of a name and of an unstructured reference, and cents.
const NAME_MAX: usize = 70;
const TEXT_MAX: usize = 140;
const CENTS_MAX: i64 = 99_999_999_999;
/// The largest code that readers must take.
const VERSION_MAX: i16 = 13;

/// What a transfer of what is open says; none if it is not in euros, or nobody says to which account.
pub(crate) fn content(invoice: &Invoice, tenant: &Tenant, open_minor: i64) -> Option<String> {
    let iban = tenant.iban.as_deref()?;
    let draft = &invoice.draft;
    if draft.currency.code() != "EUR" || !(1..=CENTS_MAX).contains(&open_minor) {
        return None;
    }
    let name: String = one_line(&draft.seller.name).chars().take(NAME_MAX).collect();
    let amount = format!("EUR{}", Money::new(open_minor, draft.currency).decimal());
    let structured = invoice.payment_reference.as_ref().filter(|own| own.kind == ReferenceKind::Rf);
    let (reference, text) = match structured {
        Some(own) => (own.reference.clone(), String::new()),
        None => (String::new(), one_line(&invoice.stated_reference()).chars().take(TEXT_MAX).collect()),
    };
    let bic = tenant.bic.as_deref().unwrap_or_default();
    let lines = ["BCD", "002", "1", "SCT", bic, &name, iban, &amount, "", &reference, &text];
    Some(lines.join("\n").trim_end().to_owned())
}

/// Rows of modules, dark ones true; none where there is no code, or the content is too long for one.
pub(crate) fn modules(invoice: &Invoice, tenant: &Tenant, open_minor: i64) -> Option<Vec<Vec<bool>>> {
    let content = content(invoice, tenant, open_minor)?;
    let code = QrCode::with_error_correction_level(content, EcLevel::M).ok()?;
    if matches!(code.version(), Version::Normal(version) if version > VERSION_MAX) {
        return None;
    }
    let colors = code.to_colors();
    Some(colors.chunks(code.width()).map(|row| row.iter().map(|c| *c == Color::Dark).collect()).collect())
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;
    use domain::payment_reference::ReferenceRule;

    #[test]
    fn a_transfer_says_account_amount_and_reference_and_only_in_euros() {
        let mut invoice = sample::invoice("INV-0000007");
        let tenant =
            Tenant { iban: Some("DE71110220330123456789".to_owned()), bic: None, ..sample::tenant() };
        assert_eq!(content(&invoice, &tenant, 1_230), None, "kroner");
        invoice.draft.currency = "EUR".parse().unwrap();
        invoice.draft.seller.name = "Nordlys\nCloud  ApS".to_owned();
        let head = "BCD\n002\n1\nSCT\n\nNordlys Cloud ApS\nDE71110220330123456789\nEUR12.30\n\n";
        assert_eq!(content(&invoice, &tenant, 1_230).unwrap(), format!("{head}\nINV-0000007"));
        let rule = ReferenceRule { kind: ReferenceKind::Rf, length: None, creditor: None };
        invoice.payment_reference = rule.reference(7);
        let reference = &invoice.payment_reference.as_ref().unwrap().reference;
        assert_eq!(content(&invoice, &tenant, 1_230).unwrap(), format!("{head}{reference}"));
        for open_minor in [0, -5, CENTS_MAX + 1] {
            assert_eq!(content(&invoice, &tenant, open_minor), None);
        }
        assert_eq!(content(&invoice, &Tenant { iban: None, ..tenant }, 1_230), None);
    }
}
