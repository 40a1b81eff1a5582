//! Tenant, business units, tax rules, exchange rates, units of measure and product families as written.

use super::checks;
use super::fault::Place;
use super::fields::Fields;
use super::paper;
use crate::catalogue::{
    BusinessUnit, InvoiceDateRule, Paper, ProductFamily, Rate, RuleType, TaxCategory, TaxRule, Tenant, Uom,
};
use crate::country::{self, is_country};
use crate::decimal::RATE;
use crate::direct_debit;
use crate::einvoice::Identifiers;
use crate::ledger::Chart;
use crate::payment_reference::{ReferenceKind, ReferenceRule};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// Net days of a tenant that does not say (Upodi's default).
const DEFAULT_PAYMENT_TERM: u32 = 8;
const DEFAULT_INVOICE_PATTERN: &str = "INV-{seq:07}";
const DEFAULT_CREDIT_NOTE_PATTERN: &str = "CN-{seq:07}";
const RULE_TYPES: &[&str] = &["*", "business", "consumer"];

/// The tenant.
pub(super) fn tenant(fields: &mut Fields<'_, '_>) -> Option<Tenant> {
    fields.ignore(&["id", "note", "description"]);
    let fullname = fields.required_text("fullname");
    let currency = fields.required_currency("currencycode");
    let timezone = checks::timezone(fields);
    let timezone = fields.require("timezone", timezone);
    let tenant = TenantRest::read(fields);
    Some(Tenant {
        fullname: fullname?,
        company_vat: tenant.company_vat,
        currency: currency?,
        timezone: timezone?,
        payment_term: tenant.payment_term,
        address: tenant.address,
        iban: tenant.iban,
        bic: tenant.bic,
        creditor_id: tenant.creditor_id,
        debit_notice_days: tenant.debit_notice_days,
        email: tenant.email,
        phone: tenant.phone,
        identifiers: tenant.identifiers,
        invoice_date_rule: tenant.invoice_date_rule,
        minimum_invoice: tenant.minimum_invoice,
        invoice_number_pattern: tenant.invoice_number_pattern,
        credit_note_number_pattern: tenant.credit_note_number_pattern,
        first_invoice_number: tenant.first_invoice_number,
        first_credit_note_number: tenant.first_credit_note_number,
        language: tenant.language,
        invoice_note: tenant.invoice_note,
        paper: tenant.paper,
        payment_reference: tenant.payment_reference,
        accounts: tenant.accounts,
    })
}

/// What a tenant may leave out; read before anything that is missing stops the reading.
struct TenantRest {
    company_vat: Option<String>,
    payment_term: u32,
    address: crate::customer::Address,
    iban: Option<String>,
    bic: Option<String>,
    creditor_id: Option<String>,
    debit_notice_days: Option<u32>,
    email: Option<String>,
    phone: Option<String>,
    identifiers: Identifiers,
    invoice_date_rule: InvoiceDateRule,
    minimum_invoice: Option<Decimal>,
    invoice_number_pattern: String,
    credit_note_number_pattern: String,
    first_invoice_number: Option<String>,
    first_credit_note_number: Option<String>,
    language: String,
    invoice_note: Option<String>,
    paper: Paper,
    payment_reference: Option<ReferenceRule>,
    accounts: Chart,
}

impl TenantRest {
    fn read(fields: &mut Fields<'_, '_>) -> Self {
        let invoice_date_rule =
            fields.choice("invoicedaterule|invoicedate", InvoiceDateRule::parse, InvoiceDateRule::NAMES);
        let pattern = checks::number_pattern(fields, "invoicenumberpattern");
        let pattern = pattern.unwrap_or_else(|| DEFAULT_INVOICE_PATTERN.to_owned());
        let notes = checks::number_pattern(fields, "creditnotenumberpattern");
        let notes = notes.unwrap_or_else(|| DEFAULT_CREDIT_NOTE_PATTERN.to_owned());
        Self {
            first_invoice_number: checks::first_number(fields, "firstinvoicenumber", Some(&pattern)),
            first_credit_note_number: checks::first_number(fields, "firstcreditnotenumber", Some(&notes)),
            company_vat: checks::vat_number(fields, "companyvat"),
            payment_term: checks::payment_term(fields).unwrap_or(DEFAULT_PAYMENT_TERM),
            address: checks::address(fields),
            iban: checks::iban(fields, "iban"),
            bic: checks::bic(fields, "bic"),
            creditor_id: creditor_id(fields),
            debit_notice_days: fields
                .integer("debitnotice", 1..=60)
                .and_then(|days| u32::try_from(days).ok()),
            email: checks::email(fields, "email|primaryemail"),
            phone: fields.text("phone|businessphone"),
            identifiers: checks::identifiers(fields),
            invoice_date_rule: invoice_date_rule.unwrap_or(InvoiceDateRule::ChargeDate),
            minimum_invoice: fields.positive("minimuminvoice", crate::decimal::PRICE),
            invoice_number_pattern: pattern,
            credit_note_number_pattern: notes,
            language: checks::language(fields).unwrap_or_else(|| "en".to_owned()),
            invoice_note: fields.note("invoicenote"),
            paper: paper::paper(fields),
            payment_reference: payment_reference(fields),
            accounts: chart(fields),
        }
    }
}

/// By which banks know who fetches money.
fn creditor_id(fields: &mut Fields<'_, '_>) -> Option<String> {
    const NAME: &str = "creditorid";
    let text = fields.text(NAME)?;
    let plain: String = text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_uppercase();
    if !direct_debit::is_creditor_id(&plain) {
        let message = format!("`{text}` is not a SEPA creditor identifier: form or check digits are wrong");
        fields.hinted(NAME, message, "as the central bank gave it, for example DE98ZZZ09999999999");
        return None;
    }
    Some(plain)
}

/// What payment references are made of, as agreed with the bank.
fn payment_reference(fields: &mut Fields<'_, '_>) -> Option<ReferenceRule> {
    const CREDITOR: &str = "paymentcreditor";
    const LENGTH: &str = "paymentreferencelength";
    let kind = fields.choice("paymentreference", ReferenceKind::parse, ReferenceKind::NAMES);
    let creditor = fields.text(CREDITOR);
    let length = fields.integer(LENGTH, 1..=99).and_then(|length| u32::try_from(length).ok());
    let Some(kind) = kind else {
        for name in [CREDITOR, LENGTH] {
            if fields.has(name) {
                let hint = "for example \"paymentreference\": \"kid\"";
                fields.hinted(name, "says nothing without `paymentreference`", hint);
            }
        }
        return None;
    };
    match (kind.lengths(), length) {
        (None, Some(_)) => fields.fault(LENGTH, format!("a reference of {} has one length", kind.name())),
        (Some((lengths, _)), Some(length)) if !lengths.contains(&length) => {
            let (least, most) = (lengths.start(), lengths.end());
            fields.fault(LENGTH, format!("a reference of {} has {least} to {most} characters", kind.name()));
        }
        _ => {}
    }
    let is_creditor = |text: &String| text.len() == 8 && text.bytes().all(|b| b.is_ascii_digit());
    if kind == ReferenceKind::Fi71 && !creditor.as_ref().is_some_and(is_creditor) {
        let hint = "the FI creditor number of the agreement with the bank, for example \"12345678\"";
        fields.hinted(CREDITOR, "a payment line of +71 needs eight digits here", hint);
        return None;
    }
    Some(ReferenceRule { kind, length, creditor })
}

fn chart(fields: &mut Fields<'_, '_>) -> Chart {
    let Some(value) = fields.value("accounts") else { return Chart::default() };
    let chart: Chart = match serde_json::from_value(value) {
        Ok(chart) => chart,
        Err(fault) => {
            fields.fault("accounts", format!("is not a chart of accounts: {fault}"));
            return Chart::default();
        }
    };
    let place = fields.at("accounts");
    for (pointer, message) in chart.faults() {
        let place = Place::new(place.file, format!("{}{pointer}", place.pointer));
        fields.faults.add(&place, message);
    }
    chart
}

/// A business unit (rules B1).
pub(super) fn business_unit(fields: &mut Fields<'_, '_>) -> Option<BusinessUnit> {
    let refkey = fields.key("refkey");
    let fullname = fields.text("fullname");
    let accounts = fields.texts_by_name("accounts");
    let mut mapped: BTreeMap<String, String> = BTreeMap::new();
    for (from, to) in accounts {
        match to.as_slice() {
            [one] => {
                let place = fields.at("accounts").member(&from);
                let fault = crate::ledger::code_fault(one);
                fault.into_iter().for_each(|fault| fields.faults.add(&place, fault));
                mapped.insert(from, one.clone());
            }
            // What is no text has been told.
            [] => {}
            _ => fields.fault("accounts", format!("account {from} must be replaced by one account")),
        }
    }
    let accounting_code = fields.text("accountingcode");
    let timezone = checks::timezone(fields);
    let invoice_number_pattern = checks::number_pattern(fields, "invoicenumberpattern");
    let credit_note_number_pattern = checks::number_pattern(fields, "creditnotenumberpattern");
    let first_invoice_number =
        checks::first_number(fields, "firstinvoicenumber", invoice_number_pattern.as_deref());
    let first_credit_note_number =
        checks::first_number(fields, "firstcreditnotenumber", credit_note_number_pattern.as_deref());
    let dunning_policy = fields.text("dunningpolicy|dunningscheme");
    let payment_reference = payment_reference(fields);
    let active = checks::is_active(fields);
    let refkey = refkey?;
    Some(BusinessUnit {
        active,
        dunning_policy,
        payment_reference,
        fullname: fullname.unwrap_or_else(|| refkey.clone()),
        refkey,
        accounting_code,
        timezone,
        invoice_number_pattern,
        credit_note_number_pattern,
        first_invoice_number,
        first_credit_note_number,
        accounts: mapped,
    })
}

/// A tax rule (rules X1): without a category it is S, or Z at 0 %.
pub(super) fn tax_rule(fields: &mut Fields<'_, '_>) -> Option<TaxRule> {
    fields.ignore(&["id"]);
    let fullname = fields.required_text("fullname");
    let country = any_or_country(fields);
    let state = fields.text("state").unwrap_or_else(|| "*".to_owned());
    let rule_type = fields.choice("ruletype", RuleType::parse, RULE_TYPES).unwrap_or(RuleType::Any);
    let priority = fields.integer("priority", 0..=1_000_000).unwrap_or(0);
    let tax_pct = fields.non_negative("taxpct", RATE);
    let category = fields.choice("category", TaxCategory::parse, &["S", "Z", "E", "AE", "K", "G", "O"]);
    // Every other category says that there is none.
    let untaxed = category.filter(|category| *category != TaxCategory::S && !fields.has("taxpct"));
    let tax_pct = untaxed.map(|_| Decimal::ZERO).or_else(|| fields.require("taxpct", tax_pct));
    let valid_from = fields.date("validfrom");
    let valid_to = fields.date("validto");
    let reason = fields.text("reason");
    if valid_from.zip(valid_to).is_some_and(|(from, to)| to <= from) {
        fields.hinted(
            "validto",
            "is not after `validfrom`",
            "validto is the first day on which the rule no longer holds",
        );
    }
    let tax_pct = tax_pct?;
    if tax_pct > Decimal::ONE_HUNDRED {
        fields.hinted("taxpct", format!("{tax_pct} is more than 100 %"), "taxpct is in percent: 25 is 25 %");
    }
    let category = category.unwrap_or(if tax_pct.is_zero() { TaxCategory::Z } else { TaxCategory::S });
    match (category, tax_pct.is_zero()) {
        (TaxCategory::S, true) => {
            fields.hinted(
                "taxpct",
                "category S needs a rate above 0",
                "a rate of 0 is category Z, E, AE, K, G or O",
            );
        }
        (TaxCategory::S, false) | (_, true) => {}
        (other, false) => fields.hinted(
            "taxpct",
            format!("category {} has no VAT, its rate must be 0", other.code()),
            "a rate above 0 is category S",
        ),
    }
    Some(TaxRule {
        fullname: fullname?,
        country: country?,
        state,
        rule_type,
        priority,
        tax_pct,
        category,
        valid_from,
        valid_to,
        reason,
    })
}

/// Country of a tax rule; `*` and absence mean any.
fn any_or_country(fields: &mut Fields<'_, '_>) -> Option<String> {
    let text = fields.text("country").unwrap_or_else(|| "*".to_owned());
    if text != "*" && !is_country(&text) {
        let hint = checks::code_hint(&country::LIST, &text, "two letters of ISO 3166, or *");
        fields.hinted("country", format!("`{text}` is not a country code"), hint);
        return None;
    }
    Some(text.to_ascii_uppercase())
}

/// The natural key of a tax rule.
pub fn tax_rule_key(rule: &TaxRule) -> String {
    let valid_from = rule.valid_from.map(|day| day.to_string()).unwrap_or_default();
    format!("{}|{}|{}|{}|{valid_from}", rule.fullname, rule.country, rule.state, rule.rule_type.name())
}

/// An exchange rate.
pub(super) fn rate(fields: &mut Fields<'_, '_>) -> Option<Rate> {
    let currency = fields.required_currency("currencycode");
    let date = fields.date("date");
    let date = fields.require("date", date);
    let rate = fields.positive("rate|exchangerate", RATE);
    let rate = fields.require("rate|exchangerate", rate);
    let source = fields.text("source").unwrap_or_default();
    Some(Rate { currency: currency?, date: date?, rate: rate?, source })
}

/// The natural key of an exchange rate.
pub fn rate_key(rate: &Rate) -> String {
    format!("{} {}", rate.currency, rate.date)
}

/// A unit of measure.
pub(super) fn uom(fields: &mut Fields<'_, '_>) -> Option<Uom> {
    fields.ignore(&["pluralname"]);
    let (refkey, fullname, active) = named(fields)?;
    Some(Uom { refkey, fullname, active })
}

/// A product family.
pub(super) fn product_family(fields: &mut Fields<'_, '_>) -> Option<ProductFamily> {
    fields.ignore(&["description"]);
    let (refkey, fullname, active) = named(fields)?;
    Some(ProductFamily { refkey, fullname, active })
}

fn named(fields: &mut Fields<'_, '_>) -> Option<(String, String, bool)> {
    let refkey = fields.key("refkey");
    let fullname = fields.text("fullname");
    let active = checks::is_active(fields);
    let refkey = refkey?;
    let fullname = fullname.unwrap_or_else(|| refkey.clone());
    Some((refkey, fullname, active))
}
