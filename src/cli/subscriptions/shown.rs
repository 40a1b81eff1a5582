//! `subscriptions`: the list, and one of them.

use crate::app::App;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use domain::NaiveDate;
use domain::subscription::{Act, State};
use operations::subscriptions::list;
use operations::subscriptions::show;
use operations::subscriptions::view::{ChargeView, SubscriptionView};
use serde_json::Value;

/// Which subscriptions to list.
#[derive(Debug, clap::Args)]
pub struct Filter {
    /// Only of this customer, by account number
    #[arg(long, value_name = "ACCOUNT")]
    customer: Option<String>,
    /// Only in this state
    #[arg(long, value_name = "STATE", ignore_case = true, value_parser = state_parser())]
    state: Option<State>,
    /// The day that decides the state; today unless given
    #[arg(long, value_name = "DATE")]
    as_of: Option<NaiveDate>,
}

/// The states by their names.
fn state_parser() -> impl TypedValueParser<Value = State> {
    let named = |name: String| State::ALL.into_iter().find(|state| state.name().eq_ignore_ascii_case(&name));
    PossibleValuesParser::new(State::ALL.map(State::name)).try_map(move |name| named(name).ok_or("no state"))
}

/// Lists by number.
pub async fn list(app: &App, filter: &Filter, output: &Output) -> Result<Exit, Failure> {
    let day = match filter.as_of {
        Some(day) => day,
        None => app.today().await?,
    };
    let wanted = list::Filter { customer: filter.customer.clone(), state: filter.state };
    let found = list::list(&app.ctx, &wanted, day).await?;
    if output.is_json() {
        output.document(&found);
        return Ok(Exit::Done);
    }
    if found.is_empty() {
        output.say("there is no such subscription");
    }
    let rows = found.iter().map(|head| {
        vec![
            head.number.clone(),
            head.customer.clone(),
            head.plan.clone(),
            head.state.name().to_owned(),
            head.start.to_string(),
            head.currency.to_string(),
            head.changes.to_string(),
        ]
    });
    let columns = [
        Column::Left("number"),
        Column::Left("customer"),
        Column::Left("plan"),
        Column::Left("state"),
        Column::Left("start"),
        Column::Left("currency"),
        Column::Right("changes"),
    ];
    output.table(&columns, rows.collect());
    Ok(Exit::Done)
}

/// One subscription as it stands today.
pub async fn show(app: &App, number: &str, output: &Output) -> Result<Exit, Failure> {
    let today = app.today().await?;
    told(&show::show(&app.ctx, number, today).await?, output)
}

/// A subscription in full.
pub fn told(view: &SubscriptionView, output: &Output) -> Result<Exit, Failure> {
    if output.is_json() {
        output.document(view);
        return Ok(Exit::Done);
    }
    let head = serde_json::to_value(&view.head).map_err(anyhow::Error::from)?;
    for (name, value) in head.as_object().into_iter().flatten().filter(|(name, _)| *name != "id") {
        if let Some(text) = value.as_str() {
            output.line(&format!("{name:20} {text}"));
        }
    }
    let rows = view.charges.iter().map(|charge| {
        vec![
            charge.sku.clone(),
            charge.name.clone(),
            charge.amount.clone(),
            charge.unit_price.clone().unwrap_or_default(),
            stands(charge),
        ]
    });
    let columns = ["charge", "name", "amount", "own price", "state"];
    let columns = columns.map(Column::Left);
    output.table(&columns, rows.collect());
    let columns = ["effective", "done", "verb", "with"].map(Column::Left);
    output.table(&columns, view.acts.iter().map(act).collect());
    let verbs: Vec<&str> = view.verbs.iter().map(|verb| verb.name()).collect();
    output.line(&format!("it can be: {}", verbs.join(", ")));
    Ok(Exit::Done)
}

/// What keeps a charge from being billed; nothing for one that is.
fn stands(charge: &ChargeView) -> String {
    match (charge.removed, charge.held, charge.toggled) {
        (Some(day), ..) => format!("removed {day}"),
        (None, Some(day), _) => format!("on hold {day}"),
        (None, None, true) => "off".to_owned(),
        (None, None, false) => String::new(),
    }
}

fn act(act: &Act) -> Vec<String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut verb = serde_json::to_value(&act.verb).unwrap_or_default();
    let name = verb.as_object_mut().and_then(|v| v.remove("do")).map(|n| text(&n)).unwrap_or_default();
    let arguments: Vec<String> = verb
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| format!("{name} {}", text(value)))
        .collect();
    vec![act.on.to_string(), act.done.to_string(), name, arguments.join(", ")]
}
