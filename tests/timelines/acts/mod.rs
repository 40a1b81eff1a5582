//! What an operator does, verb by verb: how it is typed, and what it is as steps of `simulate`.

pub mod bank;
mod debits;
mod invoices;
mod money;
pub mod open_items;
mod payers;
mod periods;
mod runs;
mod server;
mod subscriptions;
mod upkeep;
mod usage;
pub mod worker;

use super::doors::Door;
use super::world::World;
use crate::support::Answer;
use serde_json::{Value, json};

/// Acts that meet a fault, of a hundred.
const FAULTS_PCT: u64 = 35;

/// Something that an operator does.
#[derive(Debug, Clone)]
pub struct Act {
    pub args: Vec<String>,
    /// The same for `simulate`, in order; none if it moves nothing that is billed.
    pub steps: Vec<Step>,
    pub again: Again,
    /// Who refuses it may have reasons that `simulate` does not know: then its steps are left out.
    pub may_be_refused: bool,
    /// A try after a death is refused with this code if the one that died has done it.
    pub done_says: Option<&'static str>,
    /// No day is typed: the machine's clock dates it.
    pub is_by_the_clock: bool,
}

/// Whether the same command may simply be given again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// It changes nothing the second time.
    Quiet,
    /// A second time is a second act: the operator looks into the audit log first.
    Look,
}

/// A step of the scenario.
#[derive(Debug, Clone)]
pub struct Step {
    pub value: Value,
    /// Whether it was done; none if it does not matter.
    pub done: Option<bool>,
}

impl Act {
    pub fn quiet(args: &[&str]) -> Self {
        let args = args.iter().map(|&arg| arg.to_owned()).collect();
        Self {
            args,
            steps: Vec::new(),
            again: Again::Quiet,
            may_be_refused: false,
            done_says: None,
            is_by_the_clock: false,
        }
    }

    pub fn once(args: &[&str]) -> Self {
        Self { again: Again::Look, ..Self::quiet(args) }
    }

    pub fn with_step(self, value: Value) -> Self {
        Self { steps: vec![Step { value, done: None }], ..self }
    }

    /// See [`Self::is_by_the_clock`].
    pub fn by_the_clock(self) -> Self {
        Self { is_by_the_clock: true, ..self }
    }

    /// See [`Self::done_says`].
    pub fn done_says(self, code: &'static str) -> Self {
        Self { done_says: Some(code), ..self }
    }

    /// See [`Self::may_be_refused`].
    pub fn if_they_let(self) -> Self {
        Self { may_be_refused: true, ..self }
    }
}

/// How often something is done beside the others, and what it is.
type Task = (u64, fn(&mut World));

/// What there is to do, and how often it is done; timelines before [`WITH_ALL_VERBS`] know these.
const FIRST_TASKS: [Task; 23] = [
    (16, usage::ingest),
    (18, runs::run),
    (4, runs::review),
    (2, runs::reverse),
    (5, invoices::credit),
    (3, invoices::create),
    (3, invoices::drafts),
    (2, invoices::deliver),
    (5, money::mark_paid),
    (3, money::retry),
    (2, money::write_off),
    (2, money::refund),
    (2, money::recharge),
    (10, subscriptions::change),
    (2, subscriptions::discount),
    (2, subscriptions::new_customer),
    (3, payers::personal),
    (3, upkeep::upkeep),
    (2, upkeep::export),
    (2, upkeep::backup),
    (4, upkeep::damage),
    (3, worker::handed_over),
    (4, worker::night),
];

/// Tasks that have joined since; a timeline's number keeps its meaning.
const LATER_TASKS: [Task; 9] = [
    (5, bank::import),
    (3, bank::allocate),
    (2, bank::refund),
    (3, periods::close),
    (2, periods::recognize),
    (3, subscriptions::bulk),
    (2, open_items::take_over),
    (3, payers::patch),
    (5, server::write),
];

/// From this number on.
pub const WITH_ALL_VERBS: u64 = 1000;

/// Tasks of timelines whose payers are debited by their banks.
const DEBITS: [Task; 2] = [(8, debits::export), (8, debits::answer)];

/// From this number on all is in euros, and most payers have signed a mandate.
pub const WITH_DEBITS: u64 = 2000;

/// One task, as the dice choose.
pub fn one(world: &mut World) {
    let mut tasks = FIRST_TASKS.to_vec();
    if world.seed >= WITH_ALL_VERBS {
        tasks.extend(LATER_TASKS);
    }
    if world.seed >= WITH_DEBITS {
        tasks.extend(DEBITS);
    }
    let task = world.dice.weighted(&tasks);
    task(world);
}

/// Does it, through a door that the dice choose.
fn act(world: &mut World, act: &Act) -> Answer {
    let door = match world.dice.chance(FAULTS_PCT) {
        false => Door::Open,
        true => Door::draw(world, act),
    };
    world.act(act, &door)
}

/// A step of this day.
fn today(world: &World, mut step: Value) -> Value {
    step["on"] = json!(world.today.to_string());
    step
}

/// Some booked document of this kind that `simulate` knows, too.
fn some(world: &mut World, is: impl Fn(&Value) -> bool) -> Option<Value> {
    world.look_at_invoices();
    let is_known = |invoice: &Value| !number(invoice).starts_with(open_items::NUMBERS);
    let fitting: Vec<Value> = world
        .invoices
        .iter()
        .filter(|i| !i["InvoiceNumber"].is_null() && is_known(i) && is(i))
        .cloned()
        .collect();
    if fitting.is_empty() { None } else { Some(world.dice.pick(&fitting).clone()) }
}

fn number(invoice: &Value) -> String {
    invoice["InvoiceNumber"].as_str().unwrap().to_owned()
}
