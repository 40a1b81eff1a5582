//! What was served and not billed at the end of a day, payer by payer (rules L9): a slice of books at a time.

use super::Work;
use crate::context::Context;
use crate::runs::pin::would_be_run;
use crate::usage::measure;
use domain::billing::{RunContext, as_of_the_end_of, unbilled};
use domain::ids::{CustomerId, Place};
use domain::invoice::Line;
use domain::money::Currency;
use domain::report::{Agreement, Cell, numbers, words};
use domain::run::Scope;
use domain::zone::next_day;
use std::collections::BTreeMap;
use store::payer;

/// Charge dates of a charge that are caught up: none is left out.
const CATCH_UP_MAX: u32 = u32::MAX;

/// Line by line, and what it comes to.
pub(super) async fn unbilled_lines(ctx: &Context, work: &mut Work<'_>) -> anyhow::Result<()> {
    let columns = [
        words("account", "account"),
        words("subscription", "subscription"),
        words("sku", "charge"),
        words("from", "from"),
        words("to", "to"),
        numbers("quantity", "quantity"),
        words("currency", ""),
        numbers("net", "unbilled"),
    ];
    let day = work.as_of();
    let period = format!("end of {day}");
    work.begin_at("Unbilled usage and charges in arrears", period, &columns, Some(("subscription", "net")))?;
    let run = would_be_run(ctx, &mut work.tx, next_day(day)).await?;
    let context = RunContext {
        ordinal: run.ordinal,
        place: Place::of(0),
        as_of: run.as_of,
        usage_mark: run.usage_mark,
        catch_up_max: CATCH_UP_MAX,
    };
    let all = payer::payers(&mut work.tx, &Scope::default()).await?;
    let (mut totals, mut left_out): (BTreeMap<Currency, i128>, Vec<Agreement>) = Default::default();
    for slice in all.chunks(ctx.settings.slice_payers.max(1)) {
        let ids: Vec<CustomerId> = slice.iter().map(|payer| payer.id).collect();
        let books = payer::books(&mut work.tx, &ids, &work.catalogue).await?;
        let books = books.iter().map(|book| as_of_the_end_of(book, day)).collect();
        let books = measure::with_late_hints(ctx, &run, books).await?;
        let mut rated = measure::measure(ctx, &run, &books).await?;
        for (book, payer) in books.iter().zip(slice) {
            let measured = rated.by_payer.remove(&book.payer).unwrap_or_default();
            match unbilled(book, &measured, context, day) {
                Ok(lines) => {
                    for (currency, line) in lines {
                        *totals.entry(currency).or_default() += i128::from(line.subtotal_minor);
                        work.row(&row(&payer.account_number, currency, &line))?;
                    }
                }
                Err(reason) => left_out.push(Agreement {
                    name: format!("{} is in no line: {reason}", payer.account_number),
                    ok: false,
                    report: "nothing".to_owned(),
                    ledger: "an unknown sum".to_owned(),
                }),
            }
        }
    }
    for (currency, minor) in totals {
        let mut total = [const { Cell::Empty }; 8];
        total[0] = Cell::text("total");
        total[6] = Cell::currency(currency);
        total[7] = Cell::amount(minor, currency);
        work.row(&total)?;
    }
    work.end(&left_out)
}

fn row(account: &str, currency: Currency, line: &Line) -> [Cell; 8] {
    [
        Cell::text(account),
        Cell::Text(line.subscription_number.clone().unwrap_or_default()),
        Cell::text(&line.sku),
        Cell::Day(line.period.start),
        Cell::Day(line.period.last_day()),
        Cell::Text(line.rated_quantity.normalize().to_string()),
        Cell::currency(currency),
        Cell::amount(i128::from(line.subtotal_minor), currency),
    ]
}
