//! `subscriptions`: the list, and one of them.

use crate::app::App;
use crate::failure::{Exit, Failure};
use crate::output::{Column, Output};
use domain::NaiveDate;
use domain::subscription::{Life, State, Subscription, Timeline};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use store::book;

/// Which subscriptions to list.
#[derive(Debug, clap::Args)]
pub struct Filter {
    /// Only of this customer, by account number
    #[arg(long, value_name = "ACCOUNT")]
    customer: Option<String>,
    /// Only in this state: draft, active, hold, pending_ending, ended, cancelled, expired
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    /// The day that decides the state; today unless given
    #[arg(long, value_name = "DATE")]
    as_of: Option<NaiveDate>,
}

/// Lists by number.
pub async fn list(app: &App, filter: &Filter, output: &Output) -> Result<Exit, Failure> {
    let day = match filter.as_of {
        Some(day) => day,
        None => app.today().await?,
    };
    let catalogue = app.catalogue().await?;
    let mut tx = app.store.read().await?;
    let customer = match &filter.customer {
        None => None,
        Some(account) => Some(book::customer(&mut tx, account).await?.ok_or_else(|| {
            Failure::input("unknown_customer", format!("there is no customer {account}"))
                .hint("`tallybook subscriptions` lists account numbers")
        })?),
    };
    let mut found = book::subscriptions(&mut tx, customer.map(|c| c.id)).await?;
    if let Some(state) = &filter.state {
        found.retain(|s| state_name(State::on(s, day)) == state.to_ascii_lowercase());
    }
    let owners: Vec<_> = found.iter().map(|s| s.customer).collect();
    let owners: BTreeMap<_, _> =
        book::customers(&mut tx, &owners).await?.into_iter().map(|(id, c)| (id, c.account_number)).collect();
    let account = |s: &Subscription| owners.get(&s.customer).cloned().unwrap_or_default();
    if output.is_json() {
        let rows: Vec<Value> =
            found.iter().map(|s| head(s, &account(s), &plan_of(s, &catalogue, day), day)).collect();
        output.document(&rows);
        return Ok(Exit::Done);
    }
    if found.is_empty() {
        output.say("there is no such subscription");
    }
    let rows = found
        .iter()
        .map(|s| {
            vec![
                s.number.clone(),
                account(s),
                plan_of(s, &catalogue, day),
                state_name(State::on(s, day)),
                s.start.to_string(),
                s.currency.to_string(),
                s.acts.len().to_string(),
            ]
        })
        .collect();
    let columns = [
        Column::Left("number"),
        Column::Left("customer"),
        Column::Left("plan"),
        Column::Left("state"),
        Column::Left("start"),
        Column::Left("currency"),
        Column::Right("changes"),
    ];
    output.table(&columns, rows);
    Ok(Exit::Done)
}

/// One subscription as it stands today.
pub async fn show(app: &App, number: &str, output: &Output) -> Result<Exit, Failure> {
    let today = app.today().await?;
    show_on(app, number, today, output).await
}

/// One subscription as it stands on a day.
pub async fn show_on(app: &App, number: &str, day: NaiveDate, output: &Output) -> Result<Exit, Failure> {
    let catalogue = app.catalogue().await?;
    let mut tx = app.store.read().await?;
    let found = book::subscription(&mut tx, number).await?.ok_or_else(|| {
        Failure::input("unknown_subscription", format!("there is no subscription {number}"))
            .hint("`tallybook subscriptions` lists them by number")
    })?;
    let owners = book::customers(&mut tx, &[found.customer]).await?;
    let account = owners.get(&found.customer).map(|c| c.account_number.clone()).unwrap_or_default();
    let timeline = Timeline::known(&found, &catalogue, day, day)
        .map_err(|missing| Failure::fault("broken_book", missing.to_string()))?;
    let charges: Vec<Value> = timeline
        .charges
        .iter()
        .map(|life| {
            let terms = life.terms_on(day);
            json!({
                "referenceid": life.reference, "sku": terms.charge.sku, "fullname": terms.charge.fullname,
                "amount": timeline.amount_on(life, day).normalize().to_string(),
                "unitprice": life.unit_price_on(day).map(|p| p.normalize().to_string()),
                "toggled": life.is_toggled_off(day), "removed": life.removed.map(|r| r.on),
            })
        })
        .collect();
    let legal: Vec<&str> = State::on(&found, day).verbs().into_iter().map(|v| v.name()).collect();
    let mut document = head(&found, &account, &plan_of(&found, &catalogue, day), day);
    document["charges"] = charges.clone().into();
    document["acts"] = serde_json::to_value(&found.acts).map_err(anyhow::Error::from)?;
    document["verbs"] = json!(legal);
    if output.is_json() {
        output.document(&document);
        return Ok(Exit::Done);
    }
    for (name, value) in document.as_object().into_iter().flatten() {
        if let Some(text) = value.as_str() {
            output.line(&format!("{name:20} {text}"));
        }
    }
    let text = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let names = ["sku", "fullname", "amount", "unitprice", "toggled", "removed", "referenceid"];
    let rows = charges.iter().map(|c| names.iter().map(|n| text(&c[*n])).collect()).collect();
    let columns = ["charge", "name", "amount", "own price", "off", "removed", "reference"].map(Column::Left);
    output.table(&columns, rows);
    let rows = found
        .acts
        .iter()
        .map(|act| {
            let mut verb = serde_json::to_value(&act.verb).unwrap_or_default();
            let name =
                verb.as_object_mut().and_then(|v| v.remove("do")).map(|n| text(&n)).unwrap_or_default();
            let arguments: Vec<String> = verb
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| format!("{name} {}", text(value)))
                .collect();
            vec![act.on.to_string(), act.done.to_string(), name, arguments.join(", ")]
        })
        .collect();
    output.table(&["effective", "done", "verb", "with"].map(Column::Left), rows);
    output.line(&format!("it can be: {}", legal.join(", ")));
    Ok(Exit::Done)
}

/// The subscription that has the charge of this reference.
pub async fn owner_of(app: &App, reference: &str) -> Result<String, Failure> {
    let mut tx = app.store.read().await?;
    let is_it =
        |s: &Subscription| s.charges.iter().any(|c| c.reference.to_string().eq_ignore_ascii_case(reference));
    let found = book::subscriptions(&mut tx, None).await?.into_iter().find(is_it);
    found.map(|s| s.number).ok_or_else(|| {
        Failure::input(
            "unknown_charge",
            format!("no subscription has a charge with the reference {reference}"),
        )
        .hint("`tallybook subscriptions show NUMBER` lists references")
    })
}

fn head(s: &Subscription, account: &str, plan: &str, day: NaiveDate) -> Value {
    let trial_end = Life::known(s, day, day).trial.map(|trial| trial.end);
    json!({
        "subscriptionnumber": s.number, "id": s.id, "customer": account, "productplan": plan, "state": state_name(State::on(s, day)),
        "statecode": State::on(s, day) as u32, "startdate": s.start, "enddate": s.end, "activated": s.activated, "trialend": trial_end,
        "currencycode": s.currency, "autorenew": s.auto_renew, "reference": s.reference,
    })
}

/// SKU of the plan agreed on a day.
fn plan_of(s: &Subscription, catalogue: &domain::catalogue::Catalogue, day: NaiveDate) -> String {
    let plan = Timeline::known(s, catalogue, day, day).map_or(s.plan, |timeline| timeline.plan_on(day));
    catalogue.plans.get(&plan).map(|p| p.sku.clone()).unwrap_or_default()
}

fn state_name(state: State) -> String {
    serde_json::to_value(state).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}
