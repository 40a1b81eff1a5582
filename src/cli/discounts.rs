//! `discounts`: apply a code to a customer, or end it. Codes of a subscription or charge: `subscriptions
//! applydiscount`.

use crate::app::App;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output};
use domain::NaiveDate;
use domain::refusal::{self, WayOut};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Apply a code to a customer
    Apply {
        /// PREFIX-CODE
        code: String,
        /// Account number
        #[arg(long, value_name = "ACCOUNT")]
        customer: String,
        /// First day of the discount (default: today, tenant-local)
        #[arg(long, value_name = "DATE")]
        on: Option<NaiveDate>,
    },
    /// End the discount of a customer
    Clear {
        /// Account number
        #[arg(long, value_name = "ACCOUNT")]
        customer: String,
        /// First day without it (default: today, tenant-local)
        #[arg(long, value_name = "DATE")]
        on: Option<NaiveDate>,
    },
}

/// Lists codes and how often each has been applied, without a verb.
pub async fn run(args: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let app = App::open_existing(config).await?;
    app.catalogue().await?;
    let (account, code, on) = match args.verb {
        None => return list(&app, output).await,
        Some(Verb::Apply { code, customer, on }) => (customer, Some(code), on),
        Some(Verb::Clear { customer, on }) => (customer, None, on),
    };
    let on = match on {
        Some(day) => day,
        None => app.today().await?,
    };
    let actor = super::operator();
    let done = operations::book::discount::customer_discount(&app.ctx, &account, code.as_deref(), on, &actor)
        .await?;
    done.map_err(|refusal| {
        refusal.or(WayOut::from(refusal::Verb::ListDiscounts.plain()).words(" lists codes"))
    })?;
    if output.is_json() {
        output.document(&serde_json::json!({"customer": account, "code": code, "on": on}));
    } else {
        let what =
            code.map_or_else(|| "has no discount".to_owned(), |code| format!("has the discount {code}"));
        output.line(&format!("{account} {what} from {on}"));
    }
    Ok(Exit::Done)
}

async fn list(app: &App, output: &Output) -> Result<Exit, Failure> {
    let catalogue = app.catalogue().await?;
    let mut tx = app.store.read().await?;
    let redeemed = store::book::all_redeemed(&mut tx).await?;
    let mut rows = Vec::new();
    for discount in catalogue.discounts.values() {
        for code in &discount.codes {
            let complete = code.complete();
            let times = redeemed.get(&complete).copied().unwrap_or(0);
            rows.push((complete, discount.fullname.clone(), times));
        }
    }
    rows.sort();
    if output.is_json() {
        let rows: Vec<_> = rows
            .iter()
            .map(|(code, name, times)| serde_json::json!({"code": code, "fullname": name, "redeemed": times}))
            .collect();
        output.document(&rows);
        return Ok(Exit::Done);
    }
    let rows = rows.into_iter().map(|(code, name, times)| vec![code, name, times.to_string()]).collect();
    output.table(&[Column::Left("code"), Column::Left("discount"), Column::Right("applied")], rows);
    Ok(Exit::Done)
}
