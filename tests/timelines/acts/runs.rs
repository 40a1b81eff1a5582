//! Runs with their options, and the verbs on runs.

use super::{Act, Step, act, money, number, today};
use crate::timelines::doors::Door;
use crate::timelines::oracle;
use crate::timelines::world::{World, account};
use chrono::TimeDelta;
use serde_json::{Value, json};

/// A run, and the daily dunning run after it: `simulate` takes both as one step.
pub fn run(world: &mut World) {
    let mut options = json!({});
    let mut as_of = world.today;
    let mut args: Vec<String> = vec!["run".into()];
    if world.dice.chance(15) {
        let account = account(world.someone());
        args.extend(["--customer".into(), account.clone()]);
        options["customer"] = json!([account]);
    }
    if world.dice.chance(8) {
        as_of += TimeDelta::days(i64::try_from(world.dice.within(1, 20)).unwrap());
        options["as-of"] = json!(as_of.to_string());
    }
    let collects = world.dice.chance(92);
    if !collects {
        args.extend(["--skip".into(), "collect".into()]);
        options["skip"] = json!(["collect"]);
    }
    args.extend(["--as-of".into(), as_of.to_string()]);
    // A run of `simulate` takes the daily dunning run of its as-of first.
    if collects {
        money::retry_before_run(world, as_of);
    }
    if world.dice.chance(15) {
        let preview: Vec<&str> = args.iter().map(String::as_str).chain(["--preview"]).collect();
        let preview = world.act(&Act::quiet(&preview), &Door::Open).json();
        args.extend(["--expect".into(), preview["hash"].as_str().unwrap().to_owned()]);
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let step = today(world, json!({"run": options}));
    act(world, &Act::quiet(&args).with_step(step));
    if !collects {
        money::retry(world);
    }
}

/// A run that stops at drafts, and what a person makes of them.
pub fn review(world: &mut World) {
    let day = world.today.to_string();
    money::retry(world);
    let step = today(world, json!({"run": {"review": true}}));
    let before = drafts(world).len();
    let review = Act::quiet(&["run", "--as-of", &day, "--review"]).with_step(step).done_says("in_review");
    act(world, &review);
    let runs = world.look(&["runs"]);
    let in_review = runs.as_array().unwrap().iter().find(|run| run["state"] == "review");
    let Some(run) = in_review.map(|run| run["run"].to_string()) else {
        assert_eq!(drafts(world).len(), before, "drafts of a run that is closed");
        return;
    };
    let verb = if world.dice.chance(70) { "approve" } else { "cancel" };
    let step = today(world, json!({"runs": oracle::newest_run(world), "do": verb}));
    act(world, &Act::once(&["runs", verb, &run]).with_step(step));
    let shown = world.asked(&["runs", "show", &run]);
    assert!([0, 3].contains(&shown.code), "{shown:?}");
    if shown.json()["state"] == "open" {
        // Approved, and who approved it died: the next run goes on with it.
        world.act(&Act::quiet(&["run", "--as-of", &day]), &Door::Open);
    }
}

fn drafts(world: &World) -> Vec<Value> {
    world.look(&["invoices", "--state", "draft"]).as_array().unwrap().clone()
}

/// Takes a run back, whole.
pub fn reverse(world: &mut World) {
    let runs = world.look(&["runs"]);
    let closed: Vec<Value> = runs
        .as_array()
        .unwrap()
        .iter()
        .filter(|run| run["state"] == "closed" && run["invoiced"] != 0)
        .cloned()
        .collect();
    if closed.is_empty() {
        return;
    }
    let (run, day) = (world.dice.pick(&closed)["run"].to_string(), world.today.to_string());
    let (rebill, mail) = (world.dice.chance(50), world.dice.chance(50));
    let mut args = vec!["runs", "reverse", &run, "--yes", "--as-of", &day];
    args.extend(rebill.then_some("--rebill"));
    args.extend(mail.then_some("--mail"));
    let mut of_run = world.look(&["invoices", "--run", &run]).as_array().unwrap().clone();
    of_run.retain(|invoice| invoice["IsCreditNote"] == false && invoice["TotalAmount"] != "0.00");
    of_run.sort_by_key(number);
    let step = |invoice: &Value| json!({"invoice": number(invoice), "do": "credit", "rebill": rebill});
    let steps =
        of_run.iter().map(|invoice| Step { value: today(world, step(invoice)), done: None }).collect();
    let is_one = of_run.len() == 1;
    world.look_at_invoices();
    let before: Vec<String> = world.invoices.iter().map(number).collect();
    let answer = act(world, &Act { steps, ..Act::quiet(&args) });
    if answer.code != 1
        && is_one
        && let [.., step] = &mut world.steps[..]
    {
        // Some invoice was set aside, or was credited before, perhaps the only one: the notes that are there say which.
        step.done = None;
    }
    if !mail {
        world.look_at_invoices();
        let notes = world.invoices.iter().map(number).filter(|number| !before.contains(number));
        world.unmailed.extend(notes);
    }
}
