//! `discounts`: apply a code to a customer, or end it. Codes of a subscription or charge: `subscriptions
//! applydiscount`.

use crate::app::App;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output};
use domain::NaiveDate;
use operations::book::discount;

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
    let (account, code, on) = match args.verb {
        None => return list(&app, output).await,
        Some(Verb::Apply { code, customer, on }) => (customer, Some(code), on),
        Some(Verb::Clear { customer, on }) => (customer, None, on),
    };
    let act = super::act(&app, on).await?;
    let has = discount::set(&app.ctx, &act, &account, code.as_deref()).await?;
    if output.is_json() {
        output.document(&has);
    } else {
        let what =
            has.code.map_or_else(|| "has no discount".to_owned(), |code| format!("has the discount {code}"));
        output.line(&format!("{} {what} from {}", has.customer, has.on));
    }
    Ok(Exit::Done)
}

async fn list(app: &App, output: &Output) -> Result<Exit, Failure> {
    let codes = discount::list(&app.ctx).await?;
    if output.is_json() {
        output.document(&codes);
        return Ok(Exit::Done);
    }
    let rows = codes.into_iter().map(|code| vec![code.code, code.fullname, code.redeemed.to_string()]);
    output.table(&[Column::Left("code"), Column::Left("discount"), Column::Right("applied")], rows.collect());
    Ok(Exit::Done)
}
