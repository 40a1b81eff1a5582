//! The VAT return by the boxes of the country, the one-stop shop, and the list of sales to businesses of other member states
//! (rules L6).

use super::Work;
use super::turnover::{self, Sales};
use crate::context::Context;
use crate::refusal::Stop;
use domain::catalogue::TaxCategory;
use domain::money::Currency;
use domain::refusal::{Code, Refusal};
use domain::report::{Agreement, BoxTable, Cell, Sale, builtin, numbers, words};
use domain::tax::is_in_union;
use std::collections::{BTreeMap, BTreeSet};
use store::ledger::report as sql;

/// Name of the box of what goes to the one-stop shop.
const ONE_STOP_SHOP: &str = "OSS";

/// Where an accountant's own tables lie in the home: `vat/DK.csv`.
const FOLDER: &str = "vat";

/// The boxes, and what is in none of them.
pub(super) async fn boxes(ctx: &Context, work: &mut Work<'_>) -> Result<(), Stop> {
    let (table, home) = (table(ctx, work)?, home(work));
    let sold = turnover::sales(work, false).await?;
    let base = work.catalogue.tenant.currency;
    let sales = sold.sales();
    let (boxes, left) = table.fill(home.as_deref(), &sales);
    let columns = [
        words("box", "box"),
        words("text", "what"),
        words("currency", ""),
        numbers("net", "net"),
        numbers("vat", "VAT"),
    ];
    work.begin("VAT return", &columns, ("box", "net"))?;
    let amount = |minor: Option<i128>| minor.map_or(Cell::Empty, |minor| Cell::amount(minor, base));
    let mut in_boxes = 0;
    for filled in &boxes {
        let (net, vat) = (amount(filled.net_minor), amount(filled.vat_minor));
        if !table.is_sum(&filled.name) {
            in_boxes += filled.vat_minor.unwrap_or(0);
        }
        work.row(&[Cell::text(&filled.name), Cell::text(&filled.text), Cell::currency(base), net, vat])?;
    }
    for sale in &left {
        let text = format!("IN NO BOX: {}", kind_of(sale));
        let (net, vat) = (amount(Some(sale.net_minor)), amount(Some(sale.vat_minor)));
        work.row(&[Cell::text("?"), Cell::text(text), Cell::currency(base), net, vat])?;
    }
    let mut agreements = in_ledger(work, &sold).await?;
    let invoiced = sales.iter().map(|sale| sale.vat_minor).sum();
    agreements.push(Agreement::of("VAT in the boxes, and invoiced", base, in_boxes, invoiced));
    let outside = left.iter().map(|sale| sale.net_minor.abs() + sale.vat_minor.abs()).sum();
    agreements.push(Agreement::of("sales in no box", base, outside, 0));
    Ok(work.end(&agreements)?)
}

/// VAT of the documents in their own currencies, beside the VAT rows of the ledger.
async fn in_ledger(work: &mut Work<'_>, sold: &Sales) -> anyhow::Result<Vec<Agreement>> {
    let span = work.ask.span;
    let ledger: BTreeMap<Currency, i64> =
        sql::vat(&mut work.tx, span.start, span.end).await?.into_iter().collect();
    let currencies: BTreeSet<Currency> = sold.vat.keys().chain(ledger.keys()).copied().collect();
    let agreement = |currency| {
        let report = sold.vat.get(&currency).copied().unwrap_or(0);
        let ledger = i128::from(ledger.get(&currency).copied().unwrap_or(0));
        Agreement::of("VAT rows of the ledger", currency, report, ledger)
    };
    Ok(currencies.into_iter().map(agreement).collect())
}

/// `S 25 % DE consumer`
fn kind_of(sale: &Sale) -> String {
    let buyer = if sale.is_business { "business" } else { "consumer" };
    let country = sale.country.as_deref().unwrap_or("no country");
    format!("{} {} %, {country}, {buyer}", sale.category.code(), sale.rate_pct)
}

/// By country and rate: what the table sends to the one-stop shop.
pub(super) async fn oss(ctx: &Context, work: &mut Work<'_>) -> Result<(), Stop> {
    let (table, home) = (table(ctx, work)?, home(work));
    let sold = turnover::sales(work, false).await?;
    let base = work.catalogue.tenant.currency;
    let columns = [
        words("country", "country"),
        numbers("rate", "rate"),
        words("currency", ""),
        numbers("net", "net"),
        numbers("vat", "VAT"),
    ];
    work.begin("One-stop shop", &columns, ("country", "net"))?;
    let sales = sold.sales();
    let (mut by_rate, mut total) = (BTreeMap::new(), 0);
    for sale in sales.iter().filter(|sale| table.box_of(home.as_deref(), sale) == Some(ONE_STOP_SHOP)) {
        let sums: &mut (i128, i128) = by_rate.entry((&sale.country, sale.rate_pct)).or_default();
        *sums = (sums.0 + sale.net_minor, sums.1 + sale.vat_minor);
        total += sale.vat_minor;
    }
    for ((country, rate), (net, vat)) in by_rate {
        work.row(&[
            country.clone().map_or(Cell::Empty, Cell::Text),
            Cell::Percent(rate),
            Cell::currency(base),
            Cell::amount(net, base),
            Cell::amount(vat, base),
        ])?;
    }
    let (boxes, _) = table.fill(home.as_deref(), &sales);
    let boxed = boxes.iter().filter(|b| b.name == ONE_STOP_SHOP).filter_map(|b| b.vat_minor).sum();
    let mut agreements = in_ledger(work, &sold).await?;
    agreements.push(Agreement::of("VAT of the box in the return", base, total, boxed));
    Ok(work.end(&agreements)?)
}

/// By VAT number: goods (K) and services (AE) to businesses of other member states.
pub(super) async fn sales_list(work: &mut Work<'_>) -> Result<(), Stop> {
    let home = home(work);
    let sold = turnover::sales(work, true).await?;
    let base = work.catalogue.tenant.currency;
    let columns = [
        words("country", "country"),
        words("vatnumber", "VAT number"),
        words("kind", "what"),
        words("currency", ""),
        numbers("net", "net"),
    ];
    work.begin("EU sales list", &columns, ("vatnumber", "net"))?;
    let (mut total, mut without) = (0, 0);
    let mut by_buyer: BTreeMap<(&str, Option<&str>, &str), i128> = BTreeMap::new();
    for (kind, sums) in &sold.by_kind {
        let what = match kind.category() {
            TaxCategory::K => "goods",
            TaxCategory::AE => "services",
            _ => continue,
        };
        let Some(country) = kind.country.as_deref().filter(|c| home.as_deref() != Some(*c) && is_in_union(c))
        else {
            continue;
        };
        *by_buyer.entry((country, kind.vat_number.as_deref(), what)).or_default() += sums.net_minor;
        total += sums.net_minor;
        if kind.vat_number.is_none() {
            without += sums.net_minor.abs();
        }
    }
    for ((country, number, what), net) in by_buyer {
        work.row(&[
            Cell::text(country),
            Cell::text(number.unwrap_or("NO VAT NUMBER")),
            Cell::text(what),
            Cell::currency(base),
            Cell::amount(net, base),
        ])?;
    }
    // The same without the numbers, as the return asks for it.
    let again = turnover::sales(work, false).await?;
    let is_listed = |sale: &&Sale| {
        let is_there = sale.country.as_deref().is_some_and(|c| home.as_deref() != Some(c) && is_in_union(c));
        is_there && matches!(sale.category, TaxCategory::K | TaxCategory::AE)
    };
    let listed = again.sales().iter().filter(is_listed).map(|sale| sale.net_minor).sum();
    let agreements = [
        Agreement::of("sales to businesses of other member states", base, total, listed),
        Agreement::of("sales without a VAT number", base, without, 0),
    ];
    Ok(work.end(&agreements)?)
}

fn home(work: &Work<'_>) -> Option<String> {
    work.catalogue.tenant.address.country.clone()
}

/// The accountant's own table in the home, else the one that the program brings.
fn table(ctx: &Context, work: &Work<'_>) -> Result<BoxTable, Stop> {
    let country = home(work).ok_or_else(|| {
        Refusal::new(
            Code::MissingArgument,
            "the tenant has no country, and each country has its own VAT return",
        )
        .hint("add `country` to the tenant of the book")
    })?;
    let own = ctx.folders.root.join(FOLDER).join(format!("{country}.csv"));
    let (text, place) = match std::fs::read_to_string(&own) {
        Ok(text) => (text, own.display().to_string()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => match builtin(&country) {
            Some(text) => (text.to_owned(), format!("{country}.csv")),
            None => {
                let message = format!("the boxes of the VAT return of {country} are not known");
                let hint = format!("write them into {} as docs/books.md says", own.display());
                return Err(Refusal::new(Code::NoVatTable, message).hint(hint).into());
            }
        },
        Err(error) => return Err(anyhow::Error::from(error).context(own.display().to_string()).into()),
    };
    Ok(BoxTable::read(&text).map_err(|fault| {
        Refusal::new(Code::FaultyVatTable, format!("{place}: {fault}"))
            .hint("fix the line, or take the file away: the program brings its own for DK, SE, NO and DE")
    })?)
}
