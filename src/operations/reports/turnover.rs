//! What was sold and credited in a span, in the base currency (rules L6).

use super::Work;
use crate::refusal::Stop;
use chrono::NaiveDate;
use domain::Decimal;
use domain::catalogue::TaxCategory;
use domain::exact::Exact;
use domain::ledger::{Entry, EntryKind};
use domain::money::Currency;
use domain::refusal::{Code, Refusal, Verb};
use domain::report::Sale;
use std::collections::BTreeMap;
use store::ledger::SealedFilter;
use store::ledger::report::{self as sql, Turnover};

/// Entries of the first form that are read together.
const PAGE: u32 = 5_000;

/// Sales by kind, and by the buyer's VAT number if that is asked for.
pub(super) struct Sales {
    pub(super) by_kind: BTreeMap<Kind, Sums>,
    /// VAT of all documents in their own currency.
    pub(super) vat: BTreeMap<Currency, i128>,
}

/// One kind of sale.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    pub(super) country: Option<String>,
    /// The number, or only that there is one.
    pub(super) vat_number: Option<String>,
    category: &'static str,
    pub(super) rate_pct: Decimal,
}

/// Net and VAT in minor units of the base currency.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sums {
    pub(super) net_minor: i128,
    pub(super) vat_minor: i128,
}

impl Kind {
    pub(super) fn category(&self) -> TaxCategory {
        TaxCategory::parse(self.category).unwrap_or(TaxCategory::O)
    }
}

impl Sales {
    /// As the boxes of a return take them.
    pub(super) fn sales(&self) -> Vec<Sale> {
        let of = |(kind, sums): (&Kind, &Sums)| Sale {
            country: kind.country.clone(),
            is_business: kind.vat_number.is_some(),
            category: kind.category(),
            rate_pct: kind.rate_pct,
            net_minor: sums.net_minor,
            vat_minor: sums.vat_minor,
        };
        self.by_kind.iter().map(of).collect()
    }

    fn add(&mut self, row: &Turnover, base_minor: i128) {
        let kind = Kind {
            country: row.country.clone(),
            vat_number: row.vat_number.clone(),
            category: row.category.code(),
            rate_pct: row.rate_pct,
        };
        let sums = self.by_kind.entry(kind).or_default();
        if row.is_vat {
            sums.vat_minor += base_minor;
            *self.vat.entry(row.currency).or_default() += i128::from(row.minor);
        } else {
            sums.net_minor += base_minor;
        }
    }
}

/// Reads them, of both forms of entries. A foreign document without a rate is converted at the rate of its day.
///
/// # Errors
/// If there is no such rate: nothing can be told in the base currency then.
pub(super) async fn sales(work: &mut Work<'_>, with_numbers: bool) -> Result<Sales, Stop> {
    let (span, base) = (work.ask.span, work.catalogue.tenant.currency);
    let mut rows = sql::turnover(&mut work.tx, (span.start, span.end), base, with_numbers).await?;
    rows.extend(of_first_form(work, with_numbers).await?);
    let mut sales = Sales { by_kind: BTreeMap::new(), vat: BTreeMap::new() };
    for row in &rows {
        let base_minor = match row.without_rate {
            None => i128::from(row.base_minor),
            Some(day) => i128::from(converted(work, row, day)?),
        };
        sales.add(row, base_minor);
    }
    Ok(sales)
}

/// By the latest rate on or before the document's day, rounded half away from zero.
fn converted(work: &Work<'_>, row: &Turnover, day: NaiveDate) -> Result<i64, Refusal> {
    let base = work.catalogue.tenant.currency;
    let known = work.catalogue.rates.iter().filter(|rate| rate.currency == row.currency && rate.date <= day);
    let rate = known.max_by_key(|rate| rate.date).ok_or_else(|| {
        let message = format!(
            "a document of {day} is in {} and was booked without a rate to {base}, and there is none for that day",
            row.currency
        );
        Refusal::new(Code::NoRate, message)
            .hint(format!("load a rate for {} of {day} or before: ", row.currency))
            .ask(Verb::LoadBook.on("book.json"))
    })?;
    let major = Exact::of_minor(row.minor, row.currency).times(Exact::of(rate.rate));
    Ok(major.round_half_away(base.decimals()))
}

/// Entries of the first form do not hold what the database could add up: they are read one by one.
async fn of_first_form(work: &mut Work<'_>, with_numbers: bool) -> anyhow::Result<Vec<Turnover>> {
    let (span, base) = (work.ask.span, work.catalogue.tenant.currency);
    let (from, before) = (Some(span.start), Some(span.end));
    let filter = SealedFilter { from, before, first_form: true, ..SealedFilter::default() };
    let mut sums: BTreeMap<(Kind, bool, Currency, Option<NaiveDate>), Turnover> = BTreeMap::new();
    let mut after = 0;
    loop {
        let page = store::ledger::sealed_page(&mut work.tx, &filter, after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.sequence;
        for sealed in &page {
            let entry = &sealed.entry;
            if matches!(entry.kind, EntryKind::Booking | EntryKind::CreditNote) {
                rows_of(entry, base, with_numbers).for_each(|row| add(&mut sums, row));
            }
        }
    }
    Ok(sums.into_values().collect())
}

fn add(sums: &mut BTreeMap<(Kind, bool, Currency, Option<NaiveDate>), Turnover>, row: Turnover) {
    let kind = Kind {
        country: row.country.clone(),
        vat_number: row.vat_number.clone(),
        category: row.category.code(),
        rate_pct: row.rate_pct,
    };
    let key = (kind, row.is_vat, row.currency, row.without_rate);
    match sums.entry(key) {
        std::collections::btree_map::Entry::Vacant(place) => _ = place.insert(row),
        std::collections::btree_map::Entry::Occupied(mut sum) => {
            let sum = sum.get_mut();
            sum.minor += row.minor;
            sum.base_minor += row.base_minor;
        }
    }
}

fn rows_of(entry: &Entry, base: Currency, with_numbers: bool) -> impl Iterator<Item = Turnover> + '_ {
    entry.postings.iter().filter_map(move |posting| {
        let tax = posting.tax?;
        let minor = posting.credit_minor - posting.debit_minor;
        let is_missing = entry.currency != base && posting.base_minor.is_none();
        let number = entry.buyer_vat.as_ref();
        Some(Turnover {
            country: entry.country.clone(),
            vat_number: number.map(|n| if with_numbers { n.clone() } else { "known".to_owned() }),
            category: tax.category,
            rate_pct: tax.rate_pct,
            is_vat: posting.line.is_none(),
            currency: entry.currency,
            without_rate: is_missing.then_some(entry.document_date),
            minor,
            base_minor: if entry.currency == base { minor } else { -posting.base_minor.unwrap_or(0) },
        })
    })
}
