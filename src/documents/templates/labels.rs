//! Words and number formats of one language.

use crate::error::TemplateError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One language file, complete: a missing or unknown key is a fault when it is read.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Labels {
    /// How figures and dates are written.
    pub format: Format,
    /// Everything printed on an invoice.
    pub words: Words,
    /// What mails say; a language without it has mails of its own, or is mailed in English.
    pub mail: Option<MailWords>,
    /// VAT category (lower case UNCL 5305 code) → its name.
    pub vat: BTreeMap<String, String>,
    /// ISO 3166 alpha-2 → name; a country that is not listed is printed as its code.
    pub countries: BTreeMap<String, String>,
}

/// How figures and dates are written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Format {
    /// Between units and fraction.
    pub decimal: String,
    /// Between groups of three digits.
    pub thousands: String,
    /// With `{day}`, `{month}` and `{year}`.
    pub date: String,
    /// With `{number}`.
    pub percent: String,
    /// Twelve.
    pub months: Vec<String>,
}

macro_rules! words {
    ($(#[doc = $doc:literal])* $name:ident: $($word:ident),* $(,)?) => {
        $(#[doc = $doc])*
        #[allow(missing_docs)]
        #[derive(Debug, Clone, Deserialize, Serialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $(pub $word: String),* }

        impl $name {
            /// The same, each word changed.
            #[must_use]
            pub fn map(&self, change: impl Fn(&str) -> String) -> Self {
                Self { $($word: change(&self.$word)),* }
            }

            /// Each of them.
            pub fn each(&self) -> impl Iterator<Item = &str> {
                [$(self.$word.as_str()),*].into_iter()
            }
        }
    };
}

words![
    /// The words of an invoice; `{…}` are places that the document fills.
    Words: invoice,
    credit_note,
    draft,
    to,
    vat_number,
    number,
    credit_note_number,
    date,
    credit_note_date,
    due_date,
    terms,
    terms_days,
    terms_now,
    account,
    subscription,
    reference,
    credits,
    line,
    description,
    quantity,
    unit,
    unit_price,
    vat,
    amount,
    discount,
    price_incl_vat,
    subscription_line,
    concerns,
    carried_forward,
    brought_forward,
    net,
    vat_total,
    gross,
    paid,
    open,
    vat_specification,
    vat_rate,
    vat_net,
    vat_amount,
    base_rate,
    payment,
    iban,
    bic,
    payment_reference,
    pay,
    pay_late,
    collected,
    debited,
    nothing_to_pay,
    credited,
    paid_on,
    settled,
    page,
    phone,
    reminder,
    reminder_nth,
    reminder_last,
    letter_date,
    statement,
    currency,
    movement,
    document,
    balance,
    opening_balance,
    closing_balance,
    refund,
    written_off,
    open_items,
    late_charge,
    demanded,
];

words![
    /// The sentences of mails; `{number}`, `{date}`, `{due_date}`, `{gross}`, `{open}`, `{days}`, `{seller}`, `{buyer}`,
    /// and of a direct debit `{debit_date}`, `{account}`, `{mandate}` and `{creditor}` are places that the mail fills.
    MailWords: payable_by,
    dear,
    regards,
    invoice_subject,
    invoice_attached,
    nothing_to_pay,
    collected,
    debited,
    please_pay,
    credit_note_subject,
    credit_note_attached,
    credited,
    reminder_subject,
    overdue,
    overdue_day,
    overdue_days,
    pay_now,
    payment_failed_subject,
    payment_failed,
    will_retry,
    give_another,
];

impl Labels {
    /// Reads a language file.
    pub(crate) fn parse(file: &str, text: &str) -> Result<Self, TemplateError> {
        let labels: Self = toml::from_str(text).map_err(|e| TemplateError::broken(file, e))?;
        if labels.format.months.len() != 12 {
            let why = format!("format.months has {} names, not 12", labels.format.months.len());
            return Err(TemplateError::broken(file, why));
        }
        Ok(labels)
    }

    /// All that documents print of it.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        let figures = [&self.format.decimal, &self.format.thousands, &self.format.date, &self.format.percent];
        let figures = figures.into_iter().chain(&self.format.months);
        self.words.each().chain(figures.chain(self.vat.values()).map(String::as_str))
    }

    /// The name of a country, else its code.
    pub fn country<'a>(&'a self, code: &'a str) -> &'a str {
        self.countries.get(code).map_or(code, String::as_str)
    }

    /// The name of a VAT category, else its code.
    pub fn vat_category(&self, category: domain::catalogue::TaxCategory) -> &str {
        self.vat.get(category.name()).map_or(category.code(), String::as_str)
    }
}
