//! Sample invoices for the tests.

use chrono::NaiveDate;
use domain::Decimal;
use domain::catalogue::{InvoiceDateRule, TaxCategory, Tenant};
use domain::customer::{Address, Customer, Delivery};
use domain::einvoice::Identifiers;
use domain::exact::Exact;
use domain::ids::{CustomerId, InvoiceId, LineId, SubscriptionId};
use domain::invoice::{Draft, Invoice, Line, Party, VatGroup};
use domain::money::Currency;
use domain::period::Period;

pub fn day(year: i32, month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(year, month, day).unwrap()
}

pub fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

pub fn tenant() -> Tenant {
    Tenant {
        fullname: "Nordlys Cloud ApS".to_owned(),
        company_vat: Some("DK12345678".to_owned()),
        currency: "DKK".parse().unwrap(),
        timezone: "Europe/Copenhagen".parse().unwrap(),
        payment_term: 14,
        address: seller_address(),
        iban: Some("DK5000400440116243".to_owned()),
        bic: Some("NDEADKKK".to_owned()),
        creditor_id: None,
        debit_notice_days: None,
        email: Some("billing@nordlys.example".to_owned()),
        phone: Some("+45 70 10 20 30".to_owned()),
        identifiers: Default::default(),
        invoice_date_rule: InvoiceDateRule::ChargeDate,
        minimum_invoice: None,
        invoice_number_pattern: "INV-{seq:07}".to_owned(),
        credit_note_number_pattern: "CN-{seq:07}".to_owned(),
        first_invoice_number: None,
        first_credit_note_number: None,
        language: "da".to_owned(),
        invoice_note: None,
        paper: Default::default(),
        payment_reference: None,
        accounts: Default::default(),
    }
}

fn seller_address() -> Address {
    Address {
        line1: Some("Havnegade 1".to_owned()),
        postal_code: Some("1058".to_owned()),
        city: Some("København K".to_owned()),
        country: Some("DK".to_owned()),
        ..Address::default()
    }
}

/// An invoice without lines: DKK, Danish, 31 January 2026, 14 days.
pub fn invoice(number: &str) -> Invoice {
    let draft = Draft {
        id: InvoiceId::of(number),
        payer: CustomerId::of("CU-0001"),
        account_number: "CU-0001".to_owned(),
        subscription: Some(SubscriptionId::of("SUB-0001")),
        subscription_number: Some("SUB-0001".to_owned()),
        child: None,
        currency: "DKK".parse().unwrap(),
        charge_date: day(2026, 1, 31),
        invoice_date: day(2026, 1, 31),
        due_date: day(2026, 2, 14),
        payment_term: 14,
        is_credit_note: false,
        credits: Vec::new(),
        series: "invoice".to_owned(),
        number_pattern: "INV-{seq:07}".to_owned(),
        autobill: true,
        seller: Party {
            name: "Nordlys Cloud ApS".to_owned(),
            vat_number: Some("DK12345678".to_owned()),
            address: seller_address(),
            email: Some("billing@nordlys.example".to_owned()),
        },
        buyer: Party {
            name: "Kaffe & Co".to_owned(),
            vat_number: Some("DK87654321".to_owned()),
            address: Address {
                line1: Some("Torvet 2".to_owned()),
                postal_code: Some("8000".to_owned()),
                city: Some("Aarhus C".to_owned()),
                country: Some("DK".to_owned()),
                ..Address::default()
            },
            email: None,
        },
        payment_method: None,
        reference: Some("PO-4711".to_owned()),
        language: "da".to_owned(),
        business_unit: None,
        dunning_policy: None,
        lines: Vec::new(),
        vat_groups: Vec::new(),
        net_minor: 0,
        vat_minor: 0,
        revision: 1,
    };
    Invoice {
        draft,
        number: number.to_owned(),
        sequence: 1,
        booked_on: day(2026, 1, 31),
        payable_by: day(2026, 2, 14),
        base: None,
        payment_reference: None,
    }
}

/// A line of one unit at 25 % VAT in February 2026.
pub fn line(title: &str, net_minor: i64) -> Line {
    Line {
        id: LineId::of(title),
        number: 0,
        key: None,
        owner: CustomerId::of("CU-0001"),
        subscription: None,
        subscription_number: Some("SUB-0001".to_owned()),
        sku: "SKU".to_owned(),
        title: title.to_owned(),
        description: String::new(),
        quantity: Decimal::ONE,
        unit_price: Decimal::new(net_minor, 2),
        rated_quantity: Decimal::ONE,
        unit: None,
        subtotal_minor: net_minor,
        discount: Decimal::ZERO,
        discount_minor: 0,
        discount_text: None,
        tax_category: TaxCategory::S,
        tax_pct: Decimal::from(25),
        tax_reason: None,
        vat_minor: 0,
        period: Period::new(day(2026, 1, 31), day(2026, 2, 28)),
        tax_date: day(2026, 1, 31),
        deferred: true,
        arrears: false,
        tax_inclusive: false,
        is_amendment: false,
        is_adjustment: false,
        amends: None,
        business_unit: None,
        accounting_code: None,
        exact: Exact::ZERO,
        credits: Vec::new(),
    }
}

/// A tiered line: the amount stands alone, the quantity was rated, the tiers are in the description.
pub fn tiered(title: &str, quantity: &str, tiers: &str, net_minor: i64) -> Line {
    Line {
        rated_quantity: decimal(quantity),
        unit: Some("kald".to_owned()),
        description: tiers.to_owned(),
        ..line(title, net_minor)
    }
}

/// The invoice with these lines, numbered, and its groups and totals made from them.
pub fn with_lines(mut invoice: Invoice, lines: Vec<Line>) -> Invoice {
    let draft = &mut invoice.draft;
    draft.lines = lines;
    for (place, line) in draft.lines.iter_mut().enumerate() {
        line.number = u32::try_from(place).unwrap() + 1;
        line.vat_minor = vat(line.subtotal_minor, line.tax_pct);
        let group = draft
            .vat_groups
            .iter_mut()
            .find(|g| (g.category, g.rate_pct) == (line.tax_category, line.tax_pct));
        match group {
            Some(group) => group.net_minor += line.subtotal_minor,
            None => draft.vat_groups.push(VatGroup {
                category: line.tax_category,
                rate_pct: line.tax_pct,
                reason: line.tax_reason.clone(),
                net_minor: line.subtotal_minor,
                vat_minor: 0,
            }),
        }
    }
    for group in &mut draft.vat_groups {
        group.vat_minor = vat(group.net_minor, group.rate_pct);
    }
    draft.net_minor = draft.vat_groups.iter().map(|g| g.net_minor).sum();
    draft.vat_minor = draft.vat_groups.iter().map(|g| g.vat_minor).sum();
    invoice
}

fn vat(net_minor: i64, pct: Decimal) -> i64 {
    Exact::int(i128::from(net_minor)).times(Exact::of(pct)).over(Exact::int(100)).round_half_away(0)
}

/// Kaffe & Co's January: a subscription, tiered usage, a discount.
pub fn one_page() -> Invoice {
    let mut base = line("Pro abonnement", 17_910);
    base.discount = decimal("0.10");
    base.discount_minor = 1_990;
    base.discount_text = Some("Launch 10 %".to_owned());
    base.unit_price = decimal("199");
    let mut seats = line("Brugere", 7 * 4_900);
    seats.quantity = Decimal::from(7);
    seats.rated_quantity = Decimal::from(7);
    seats.unit_price = decimal("49");
    seats.unit = Some("bruger".to_owned());
    let tiers = "1 – 1.000: 0,00 pr. kald\n1.001 – 10.000: 0,05 pr. kald = 15,00";
    let mut usage = tiered("API-kald", "1300", tiers, 1_500);
    usage.period = Period::new(day(2025, 12, 31), day(2026, 1, 31));
    with_lines(invoice("INV-0000001"), vec![base, seats, usage])
}

/// As many lines as given, of different heights.
pub fn long(count: usize) -> Invoice {
    let lines = (1..=count).map(|n| match n % 3 {
        0 => line(
            &format!("Virtuel server {n}: 4 kerner, 16 GB hukommelse, 200 GB disk, daglig sikkerhedskopi"),
            61_250,
        ),
        1 => Line {
            unit: Some("GB".to_owned()),
            ..tiered(&format!("Trafik {n}"), "734.25", "1 – 500: 0,00 pr. GB\n501 – : 0,35 pr. GB", 8_199)
        },
        _ => line(&format!("Supportaftale {n}"), 12_500),
    });
    with_lines(invoice("INV-0000042"), lines.collect())
}

pub fn currency(code: &str) -> Currency {
    code.parse().unwrap()
}

/// The payer of the sample invoices.
pub fn customer() -> Customer {
    Customer {
        id: CustomerId::of("CU-0001"),
        account_number: "CU-0001".to_owned(),
        fullname: "Kaffe & Co".to_owned(),
        company_name: None,
        company_vat: Some("DK87654321".to_owned()),
        refkey: None,
        currency: "DKK".parse().unwrap(),
        autobill: true,
        payment_term: None,
        address: Address::default(),
        email: None,
        delivery: Delivery::Mail,
        invoice_form: None,
        phone: None,
        business_unit: None,
        collective_billing: false,
        parent: None,
        bill_to_parent: false,
        our_reference: None,
        identifiers: Identifiers::default(),
        buyer_reference: None,
        delivery_country: None,
        language: None,
        discount: None,
        former_discounts: Vec::new(),
        contacts: Vec::new(),
        payment_methods: Vec::new(),
        active: true,
    }
}
