//! `webhooks`: endpoints of others that are told what has changed.

use crate::app::App;
use crate::config::Config;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output};
use operations::webhooks::{self, EndpointView, NewEndpoint};
use uuid::Uuid;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// Add an endpoint; the secret that signs is printed this once
    Add {
        /// Where the events are posted
        url: String,
        /// What it is told: `Invoice.*`, `Invoice.book`; everything unless given
        #[arg(long = "event", value_name = "PATTERN")]
        events: Vec<String>,
        /// A note for people
        #[arg(long, value_name = "TEXT")]
        description: Option<String>,
    },
    /// List endpoints, without their secrets
    List,
    /// Show what an endpoint was told
    Show {
        /// Its id
        id: Uuid,
    },
    /// Tell an endpoint that it is there
    Ping {
        /// Its id
        id: Uuid,
    },
    /// Tell an endpoint again what came with or after a sequence
    Replay {
        /// Its id
        id: Uuid,
        /// The first sequence
        #[arg(long, value_name = "SEQUENCE")]
        from: i64,
        /// The last one
        #[arg(long, value_name = "SEQUENCE")]
        to: Option<i64>,
    },
    /// Tell what is due now; `serve` and `worker` do it all the time
    Deliver,
    /// Take an endpoint away, with what it was not told
    Remove {
        /// Its id
        id: Uuid,
    },
}

/// An endpoint as it is printed once.
#[derive(serde::Serialize)]
struct Added<'w> {
    id: Uuid,
    url: &'w str,
    secret: &'w str,
}

#[derive(serde::Serialize)]
struct Count {
    count: u64,
}

#[derive(serde::Serialize)]
struct Tried {
    tried: usize,
}

/// Adds, lists, shows, pings, tells again or removes.
pub async fn run(args: Args, config: &Config, output: &Output) -> Result<Exit, Failure> {
    let app = App::open_existing(config).await?;
    let actor = super::act(&app, None).await?.actor;
    match args.verb {
        Verb::Add { url, events, description } => {
            let new = NewEndpoint { url, events, description, is_active: true };
            let (endpoint, secret) = webhooks::add(&app.ctx, &actor, &new).await?;
            if output.is_json() {
                output.document(&Added { id: endpoint.id, url: &endpoint.url, secret: &secret });
            } else {
                output.line(&secret);
                output.say(&format!("endpoint {}; keep the secret: it is not shown again", endpoint.id));
            }
        }
        Verb::List => list(&webhooks::list(&app.ctx).await?, output),
        Verb::Show { id } => show(&app, id, output).await?,
        Verb::Ping { id } => {
            webhooks::ping(&app.ctx, id).await?;
            output.line("it is sent with the next events");
        }
        Verb::Replay { id, from, to } => {
            let count = webhooks::replay(&app.ctx, id, from, to).await?;
            if output.is_json() {
                output.document(&Count { count });
            } else {
                output.line(&format!("{count} event(s) are sent again"));
            }
        }
        Verb::Deliver => {
            let mut told = 0;
            loop {
                let tried = webhooks::deliver_due(&app.ctx).await?;
                if tried == 0 {
                    break;
                }
                told += tried;
            }
            if output.is_json() {
                output.document(&Tried { tried: told });
            } else {
                output.line(&format!("{told} event(s) were sent or tried"));
            }
        }
        Verb::Remove { id } => {
            webhooks::remove(&app.ctx, &actor, id).await?;
            output.line("removed");
        }
    }
    Ok(Exit::Done)
}

fn list(endpoints: &[EndpointView], output: &Output) {
    if output.is_json() {
        output.document(&endpoints);
        return;
    }
    if endpoints.is_empty() {
        output.say("no webhook endpoint yet: `tallybook webhooks create --help`");
    }
    let rows = endpoints.iter().map(|one| {
        let events = if one.events.is_empty() { "*".to_owned() } else { one.events.join(", ") };
        let state = match &one.disabled {
            Some(why) => why.clone(),
            None if one.active => "active".to_owned(),
            None => "switched off".to_owned(),
        };
        vec![one.id.to_string(), one.url.clone(), events, state]
    });
    let columns = [Column::Left("id"), Column::Left("url"), Column::Left("events"), Column::Left("state")];
    output.table(&columns, rows.collect());
}

async fn show(app: &App, id: Uuid, output: &Output) -> Result<(), Failure> {
    let told = webhooks::deliveries(&app.ctx, id).await?;
    if output.is_json() {
        output.document(&told);
        return Ok(());
    }
    let rows = told.iter().map(|one| {
        let outcome = match (&one.status, &one.error) {
            (Some(status), _) => status.to_string(),
            (None, Some(error)) => error.clone(),
            (None, None) => String::new(),
        };
        let state = serde_json::to_value(one.state).ok().and_then(|v| v.as_str().map(str::to_owned));
        vec![
            one.sequence.to_string(),
            format!("{}.{}", one.kind, one.action),
            one.object.to_string(),
            state.unwrap_or_default(),
            one.attempts.to_string(),
            outcome,
        ]
    });
    let columns = [
        Column::Right("sequence"),
        Column::Left("event"),
        Column::Left("object"),
        Column::Left("state"),
        Column::Right("tries"),
        Column::Left("answer"),
    ];
    output.table(&columns, rows.collect());
    Ok(())
}
