//! `keys`: who may use the HTTP API, and for what.

use crate::app::App;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output};
use chrono::{DateTime, NaiveDate, Utc};
use operations::act::Actor;
use operations::keys::{self, Created, NewKey, Numbers, Revoked, Scope};

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Make a key; it is printed this once
    Create {
        /// Who uses it: the audit log calls it key:NAME
        name: String,
        /// read, write, usage or operate; none implies another
        #[arg(long = "scope", value_name = "SCOPE", required = true, value_parser = scope)]
        scopes: Vec<Scope>,
        /// Day (UTC) or instant from which it no longer opens anything
        #[arg(long, value_name = "TIME", value_parser = instant)]
        expires: Option<DateTime<Utc>>,
        /// How amounts are answered: digits (JSON numbers) or text (JSON strings)
        #[arg(long, value_name = "FORM", default_value = "digits", value_parser = numbers)]
        numbers: Numbers,
    },
    /// List keys, without the keys
    List,
    /// Revoke a key
    Revoke {
        /// Its id or its name
        id: String,
    },
}

/// A key as it is printed once.
#[derive(serde::Serialize)]
struct MadeKey<'k> {
    id: uuid::Uuid,
    name: &'k str,
    scopes: Vec<&'static str>,
    key: &'k str,
}

/// A key that opens nothing any more.
#[derive(serde::Serialize)]
struct RevokedNow<'k> {
    name: &'k str,
    revoked: bool,
    /// By this very command.
    now: bool,
}

fn scope(text: &str) -> Result<Scope, String> {
    Scope::parse(text).ok_or_else(|| "not one of read, write, usage, operate".to_owned())
}

fn numbers(text: &str) -> Result<Numbers, String> {
    Numbers::parse(text).ok_or_else(|| "not one of digits, text".to_owned())
}

fn instant(text: &str) -> Result<DateTime<Utc>, String> {
    let day = text.parse::<NaiveDate>().ok().and_then(|day| day.and_hms_opt(0, 0, 0)).map(|at| at.and_utc());
    day.or_else(|| text.parse().ok()).ok_or_else(|| "not a day (2027-01-31) or an instant (…Z)".to_owned())
}

/// Makes, lists or revokes.
pub async fn run(args: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let app = App::open_existing(config).await?;
    match args.verb {
        Verb::Create { name, scopes, expires, numbers } => {
            create(&app, NewKey { name, scopes, numbers, expires_at: expires }, output).await
        }
        Verb::List => list(&app, output).await,
        Verb::Revoke { id } => revoke(&app, &id, output).await,
    }
}

fn operator() -> Actor {
    Actor::Person(super::operator())
}

async fn create(app: &App, new: NewKey, output: &Output) -> Result<Exit, Failure> {
    let refused = |code, message: String, hint| Err(Failure::input(code, message).hint(hint));
    match keys::create(&app.ctx, &operator(), &new).await? {
        Created::Key { id, key } => {
            if output.is_json() {
                let scopes: Vec<_> = new.scopes.iter().map(|scope| scope.name()).collect();
                output.document(&MadeKey { id, name: &new.name, scopes, key: &key });
            } else {
                output.line(&key);
                output.say("keep it: it is not shown again (`tallybook keys list` shows the rest)");
            }
            Ok(Exit::Done)
        }
        Created::NameTaken => refused(
            "duplicate",
            format!("there is a key `{}` already", new.name),
            "choose another name: the audit log tells keys apart by it",
        ),
        Created::BadName => refused(
            "invalid",
            "a key's name has 1 to 100 letters, no control characters".to_owned(),
            "for example `tallybook keys create webshop --scope read --scope write`",
        ),
        Created::Past => refused(
            "invalid",
            "the key would have expired already".to_owned(),
            "name a later day with --expires, or leave it out",
        ),
    }
}

async fn list(app: &App, output: &Output) -> Result<Exit, Failure> {
    let keys = keys::list(&app.ctx).await?;
    if output.is_json() {
        output.document(&keys);
        return Ok(Exit::Done);
    }
    if keys.is_empty() {
        output.say("no key yet: `tallybook keys create NAME --scope read`");
    }
    let day =
        |at: Option<DateTime<Utc>>| at.map(|at| at.format("%Y-%m-%d %H:%M").to_string()).unwrap_or_default();
    let rows = keys
        .into_iter()
        .map(|key| {
            vec![
                key.name,
                key.scopes.join(", "),
                key.state.to_owned(),
                day(Some(key.created)),
                day(key.expires),
                key.id.to_string(),
            ]
        })
        .collect();
    let columns = ["name", "scopes", "state", "created", "expires", "id"].map(Column::Left);
    output.table(&columns, rows);
    Ok(Exit::Done)
}

async fn revoke(app: &App, named: &str, output: &Output) -> Result<Exit, Failure> {
    match keys::revoke(&app.ctx, &operator(), named).await? {
        Revoked::Done { name, now } => {
            if output.is_json() {
                output.document(&RevokedNow { name: &name, revoked: true, now });
            } else {
                let when =
                    if now { "is revoked; servers know within a second" } else { "was revoked before" };
                output.line(&format!("the key `{name}` {when}"));
            }
            Ok(Exit::Done)
        }
        Revoked::Unknown => Err(Failure::input("not_found", format!("there is no key `{named}`"))
            .hint("`tallybook keys list` shows ids and names")),
    }
}
