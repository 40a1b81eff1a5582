//! A small catalogue and invoices of it, for the tests of this module.

use super::Chart;
use crate::catalogue::{BusinessUnit, Catalogue, InvoiceDateRule, TaxCategory, Tenant};
use crate::customer::Address;
use crate::exact::Exact;
use crate::ids::{CustomerId, InvoiceId, LineId};
use crate::invoice::{Draft, Invoice, Line, Party, VatGroup};
use crate::period::Period;
use chrono::NaiveDate;
use rust_decimal::Decimal;
use std::collections::BTreeMap;

pub fn day(month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, month, day).unwrap()
}

pub fn catalogue(chart: Chart) -> Catalogue {
    let tenant = Tenant {
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
        accounts: chart,
    };
    let unit = BusinessUnit {
        refkey: "dk".into(),
        fullname: "Denmark".into(),
        accounting_code: Some("100".into()),
        timezone: None,
        invoice_number_pattern: None,
        credit_note_number_pattern: None,
        first_invoice_number: None,
        first_credit_note_number: None,
        accounts: [("1100".to_owned(), "1101".to_owned()), ("4000".to_owned(), "4001".to_owned())].into(),
        dunning_policy: None,
        payment_reference: None,
        active: true,
    };
    Catalogue {
        tenant,
        business_units: [("dk".to_owned(), unit)].into(),
        tax_rules: Vec::new(),
        rates: Vec::new(),
        uoms: BTreeMap::new(),
        families: BTreeMap::new(),
        plans: BTreeMap::new(),
        discounts: BTreeMap::new(),
        dunning_policies: BTreeMap::new(),
    }
}

/// A January line; `unit` is the owner's business unit.
pub fn line(number: u32, sku: &str, net_minor: i64, unit: Option<&str>) -> Line {
    Line {
        id: LineId::of(&format!("{sku} {number}")),
        number,
        key: None,
        owner: CustomerId::of("CU-0001"),
        subscription: None,
        subscription_number: None,
        sku: sku.into(),
        title: sku.into(),
        description: String::new(),
        quantity: Decimal::ONE,
        unit_price: Decimal::ZERO,
        rated_quantity: Decimal::ONE,
        unit: None,
        subtotal_minor: net_minor,
        discount: Decimal::ZERO,
        discount_minor: 0,
        discount_text: None,
        tax_category: TaxCategory::S,
        tax_pct: Decimal::from(25),
        tax_reason: None,
        vat_minor: net_minor / 4,
        period: Period::new(day(1, 1), day(2, 1)),
        tax_date: day(1, 1),
        deferred: false,
        arrears: false,
        tax_inclusive: false,
        is_amendment: false,
        is_adjustment: false,
        amends: None,
        business_unit: unit.map(str::to_owned),
        accounting_code: unit.map(|_| "100".to_owned()),
        exact: Exact::ZERO,
        credits: Vec::new(),
    }
}

/// An invoice of lines at 25 % VAT; a negative total makes it a credit note.
pub fn invoice(number: &str, lines: Vec<Line>) -> Invoice {
    let net_minor = lines.iter().map(|line| line.subtotal_minor).sum();
    let vat_minor = lines.iter().map(|line| line.vat_minor).sum();
    let party =
        Party { name: "Kaffe & Co".into(), vat_number: None, address: Address::default(), email: None };
    let group = VatGroup {
        category: TaxCategory::S,
        rate_pct: Decimal::new(2500, 2),
        reason: None,
        net_minor,
        vat_minor,
    };
    let draft = Draft {
        id: InvoiceId::of(number),
        payer: CustomerId::of("CU-0001"),
        account_number: "CU-0001".into(),
        subscription: None,
        subscription_number: None,
        child: None,
        currency: "DKK".parse().unwrap(),
        charge_date: day(1, 31),
        invoice_date: day(1, 31),
        due_date: day(2, 14),
        payment_term: 14,
        is_credit_note: net_minor < 0,
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
        lines,
        vat_groups: vec![group],
        net_minor,
        vat_minor,
        revision: 1,
    };
    Invoice {
        draft,
        number: number.into(),
        sequence: 1,
        booked_on: day(2, 1),
        payable_by: day(2, 15),
        base: None,
        payment_reference: None,
    }
}
