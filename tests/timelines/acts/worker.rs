//! Days with a worker: verbs are handed to it, and nights that it works by its timetable.

use super::{Act, Step, money, runs, today};
use crate::timelines::books;
use crate::timelines::doors::{Door, Faults};
use crate::timelines::processes::{HANGS, pause};
use crate::timelines::workers::{Keeps, Worker};
use crate::timelines::world::World;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// So long nothing new, and the worker has done what there was.
const QUIET: Duration = Duration::from_millis(1_200);

/// With a worker at work runs and their verbs are handed to it; it may be killed at any moment.
pub fn handed_over(world: &mut World) {
    let dies_at = mortality(world, 160);
    world.worker = Some(Worker::start(world, Keeps::Nothing, dies_at));
    for _ in 0..world.dice.within(1, 2) {
        let task =
            world.dice.weighted(&[(3, runs::run as fn(&mut World)), (3, runs::review), (2, runs::reverse)]);
        task(world);
    }
    if let Some(worker) = world.worker.take()
        && worker.stop()
    {
        fell(world, "a worker");
    }
    // Whatever a killed worker has left is done by whoever works the home next: by the same run, if it was one.
    let open = world.look(&["runs"]);
    assert!(
        open.as_array().unwrap().iter().all(|run| run["state"] != "open"),
        "a run stands still: {open:#}"
    );
}

/// Files in the inbox, and a night that a worker works by the timetable, killed now and then.
pub fn night(world: &mut World) {
    for _ in 0..world.dice.within(0, 2) {
        drop_into_inbox(world);
    }
    // A run of `simulate` takes the daily dunning run of its day first, if nobody has asked for it by name. Which of both comes
    // first is not the same: a card bears only so many attempts.
    money::retry(world);
    let before = world.audit_log(0).len();
    let mut told = "a night by the timetable".to_owned();
    for _ in 0..world.dice.weighted(&[(5, 0), (3, 1), (1, 2)]) {
        told += &cut_short(world);
    }
    whole(world);
    if world.schedule_stands() {
        told += ", the timetable stood still and was told to go on";
        world.act(&Act::quiet(&["schedule", "--go-on"]), &Door::Open);
        whole(world);
    }
    world.say(&told);
    let done = world.audit_log(before);
    let steps: Vec<Step> = done.iter().filter_map(|line| step_of(world, line)).collect();
    world.steps.extend(steps);
    *world.tally.acts.entry("night by the timetable".to_owned()).or_default() += 1;
}

/// The worker until it has done what there was.
fn whole(world: &mut World) {
    let mut worker = Worker::start(world, Keeps::Timetable, None);
    until_quiet(world, &mut worker);
    worker.stop();
}

/// A worker that does not come to the end of the night; what is to be said of it.
fn cut_short(world: &mut World) -> String {
    let dies_at = mortality(world, 80);
    let mut worker = Worker::start(world, Keeps::Timetable, dies_at);
    if dies_at.is_some() {
        until_quiet(world, &mut worker);
        if worker.has_died() {
            fell(world, "the worker of the night");
            return ", cut short".to_owned();
        }
        return ", killed when it was done".to_owned();
    }
    let after_ms = world.dice.within(0, 3_000);
    pause(after_ms);
    drop(worker);
    world.tally.fault("worker killed");
    format!(", killed after {after_ms} ms")
}

/// At which effect a worker is to die, of so many at most; none where faults come by the clock.
fn mortality(world: &mut World, most: u64) -> Option<u64> {
    (world.faults == Faults::Counted).then(|| world.dice.within(1, most))
}

fn fell(world: &mut World, who: &str) {
    world.tally.fault("worker died at an effect");
    world.say(&format!("{who} died at an effect"));
}

/// What the audit log says was done, as a step: the order of two jobs of one night is the worker's.
fn step_of(world: &World, line: &Value) -> Option<Step> {
    let detail = &line["detail"];
    let value = match line["action"].as_str()? {
        "usage.ingest" => {
            let name = detail["file"].as_str()?.rsplit('/').next()?.to_owned();
            if name.starts_with("api-") {
                return None; // what came over HTTP, and has its step already
            }
            json!({"ingest": world.inbox.get(&name).unwrap_or_else(|| panic!("{name} was not handed in"))})
        }
        "run.open" => json!({"run": {"as-of": detail["as_of"]}}),
        _ => return None,
    };
    Some(Step { value: today(world, value), done: Some(true) })
}

fn drop_into_inbox(world: &mut World) {
    let (day, customers) = (world.today, world.customers);
    let before = std::mem::take(&mut world.handed_in);
    let records = books::usage(&mut world.dice, day, customers, &before);
    world.handed_in = before;
    let name = format!("inbox-{}-{}.csv", world.today, world.inbox.len());
    let folder = world.home().join("inbox");
    // A name of its own while it is written, as every careful sender does.
    let part = folder.join(format!("{name}.part"));
    std::fs::write(&part, books::csv(&records)).unwrap();
    std::fs::rename(&part, folder.join(&name)).unwrap();
    world.handed_in.extend(records.iter().cloned());
    world.inbox.insert(name.clone(), Value::Array(records));
    world.say(&format!("{name} into the inbox"));
}

/// Until nothing is open and nothing new was done for a moment, or the worker is dead.
fn until_quiet(world: &World, worker: &mut Worker) {
    let since = Instant::now();
    let (mut seen, mut quiet_since) = (0, Instant::now());
    while quiet_since.elapsed() < QUIET && !worker.has_died() {
        assert!(since.elapsed() < HANGS, "the night does not end: {}", worker.said());
        pause(300);
        let now = world.audit_log(0).len() + worker.said().lines().count();
        let runs = world.look(&["runs"]);
        let is_open = runs.as_array().unwrap().iter().any(|run| run["state"] == "open");
        if now != seen || is_open {
            (seen, quiet_since) = (now, Instant::now());
        }
    }
}

/// Files that lie in the inbox or one of its folders, by name.
pub fn lying(world: &World) -> BTreeMap<String, String> {
    let inbox = world.home().join("inbox");
    let folders =
        [("inbox", inbox.clone()), ("done", inbox.join("done")), ("refused", inbox.join("refused"))];
    let mut lying = BTreeMap::new();
    for (place, folder) in folders {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten().filter(|e| e.path().is_file())
        {
            lying.insert(entry.file_name().into_string().unwrap(), place.to_owned());
        }
    }
    lying
}
