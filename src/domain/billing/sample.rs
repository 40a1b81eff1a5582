//! A small catalogue and invoices of it, for the tests of this module.

use super::PayerBook;
use crate::book_file::StoredBook;
use crate::catalogue::{Catalogue, InvoiceDateRule, TaxCategory, Tenant};
use crate::customer::Address;
use crate::exact::Exact;
use crate::ids::{CustomerId, InvoiceId, LineId};
use crate::invoice::{Draft, Invoice, Line, Party};
use crate::period::Period;
use chrono::NaiveDate;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

pub fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub fn catalogue() -> Catalogue {
    Catalogue {
        tenant: Tenant {
            fullname: "Nordlys Cloud ApS".into(),
            company_vat: Some("DK12345678".into()),
            currency: "DKK".parse().unwrap(),
            timezone: chrono_tz::Europe::Copenhagen,
            payment_term: 14,
            address: Address::default(),
            iban: None,
            bic: None,
            creditor_id: None,
            debit_notice_days: None,
            email: None,
            phone: None,
            identifiers: Default::default(),
            invoice_date_rule: InvoiceDateRule::ChargeDate,
            minimum_invoice: None,
            invoice_number_pattern: "INV-{seq:07}".into(),
            credit_note_number_pattern: "CN-{seq:07}".into(),
            first_invoice_number: None,
            first_credit_note_number: None,
            language: "en".into(),
            invoice_note: None,
            paper: Default::default(),
            payment_reference: None,
            accounts: crate::ledger::Chart::default(),
        },
        business_units: BTreeMap::new(),
        tax_rules: Vec::new(),
        rates: Vec::new(),
        uoms: BTreeMap::new(),
        families: BTreeMap::new(),
        plans: BTreeMap::new(),
        discounts: BTreeMap::new(),
        dunning_policies: BTreeMap::new(),
    }
}

/// A payer with one subscription `SUB-1` from 1 January 2026 to a plan with these charges, as of a book file.
pub fn book(charges: &serde_json::Value) -> PayerBook {
    let file = serde_json::json!({
        "tenant": {"fullname": "Nordlys", "currencycode": "DKK", "timezone": "Europe/Copenhagen"},
        "productplans": [{"sku": "PRO", "fullname": "Pro", "currencycode": "DKK", "charges": charges}],
        "customers": [{"accountnumber": "CU-1", "fullname": "Kaffe", "currencycode": "DKK", "country": "DK"}],
        "subscriptions": [{"subscriptionnumber": "SUB-1", "customer": "CU-1", "productplan": "PRO",
                           "startdate": "2026-01-01", "status": "active"}],
    });
    let set = crate::book_file::read_value(&file, &StoredBook::default()).unwrap();
    PayerBook {
        catalogue: std::sync::Arc::new(set.catalogue),
        payer: set.customers[0].id,
        revision: 0,
        customers: set.customers.into_iter().map(|c| (c.id, c)).collect(),
        subscriptions: set.subscriptions.into_iter().map(|s| (s.id, s)).collect(),
        billed: BTreeMap::new(),
        reopened: BTreeMap::new(),
        credited: super::Credited::default(),
        carried: Vec::new(),
        codes_redeemed: BTreeMap::new(),
        late: Vec::new(),
    }
}

fn line(number: u32, net_minor: i64, tax_pct: &str) -> Line {
    Line {
        id: LineId::of(&number.to_string()),
        number,
        key: None,
        owner: CustomerId::of("CU-0001"),
        subscription: None,
        subscription_number: None,
        sku: format!("SKU-{number}"),
        title: format!("Line {number}"),
        description: String::new(),
        quantity: Decimal::ONE,
        unit_price: Decimal::new(net_minor, 2),
        rated_quantity: Decimal::ONE,
        unit: None,
        subtotal_minor: net_minor,
        discount: Decimal::ZERO,
        discount_minor: 0,
        discount_text: None,
        tax_category: if tax_pct == "0" { TaxCategory::Z } else { TaxCategory::S },
        tax_pct: tax_pct.parse().unwrap(),
        tax_reason: None,
        vat_minor: 0,
        period: Period::new(day("2026-01-01"), day("2026-02-01")),
        tax_date: day("2026-01-01"),
        deferred: false,
        arrears: false,
        tax_inclusive: false,
        is_amendment: false,
        is_adjustment: false,
        amends: None,
        business_unit: None,
        accounting_code: None,
        exact: Exact::of_minor(net_minor, "DKK".parse().unwrap()),
        credits: Vec::new(),
    }
}

/// A booked invoice with lines of (net in minor units, VAT percent).
pub fn invoice(number: &str, nets: &[(i64, &str)]) -> Invoice {
    let currency = "DKK".parse().unwrap();
    let mut lines: Vec<Line> =
        (1..).zip(nets).map(|(n, (net_minor, tax_pct))| line(n, *net_minor, tax_pct)).collect();
    let vat_groups = crate::tax::vat(&mut lines, currency);
    let party = Party { name: "Kaffe".into(), vat_number: None, address: Address::default(), email: None };
    let draft = Draft {
        id: InvoiceId::of(number),
        payer: CustomerId::of("CU-0001"),
        account_number: "CU-0001".into(),
        subscription: None,
        subscription_number: None,
        child: None,
        currency,
        charge_date: day("2026-01-01"),
        invoice_date: day("2026-01-01"),
        due_date: day("2026-01-15"),
        payment_term: 14,
        is_credit_note: false,
        credits: Vec::new(),
        series: "invoice".into(),
        number_pattern: "INV-{seq:07}".into(),
        autobill: true,
        seller: party.clone(),
        buyer: party,
        payment_method: None,
        reference: None,
        language: "en".into(),
        business_unit: None,
        dunning_policy: None,
        net_minor: lines.iter().map(|l| l.subtotal_minor).sum(),
        vat_minor: lines.iter().map(|l| l.vat_minor).sum(),
        lines,
        vat_groups,
        revision: 0,
    };
    Invoice {
        draft,
        number: number.into(),
        sequence: 1,
        booked_on: day("2026-01-01"),
        payable_by: day("2026-01-15"),
        base: None,
        payment_reference: None,
    }
}
