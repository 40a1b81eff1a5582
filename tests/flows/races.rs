//! Two processes change one subscription, customer, plan or draft at once, many times over, with verbs, delays and moments
//! that a number decides: both changes stand, or one is refused, and the audit log holds what was done and nothing else.
//!
//! `RACE=17 cargo test --release --test tests -- races` plays one round alone, `RACE_ROUNDS=1000` plays many.

use crate::support::books::Books;
use crate::support::postgres::PgHome;
use crate::support::{Answer, Home, answer, book};
use crate::timelines::dice::Dice;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Rounds on each database.
const ROUNDS: u64 = 24;

/// What a process is asked for, and how it is seen afterwards that it was done.
struct Act {
    args: Vec<String>,
    /// As the audit log has it.
    action: &'static str,
    mark: Mark,
}

/// What a change leaves behind.
#[derive(Clone)]
enum Mark {
    /// A field of an object of the book has this value.
    Field {
        kind: &'static str,
        key: &'static str,
        field: &'static str,
        value: String,
    },
    /// The price of the plan's base charge.
    Price(String),
    /// The subscription has an act of this day that sets this amount.
    Amount {
        number: &'static str,
        on: String,
        amount: String,
    },
    /// A redemption of the code.
    Redeemed,
    Booked,
    Dropped,
    Reference,
    /// What the draft's first line comes to.
    Total(String),
}

/// A home with what its rounds share.
struct Race {
    books: Books,
    /// Records of the audit log so far.
    recorded: u64,
    redeemed: u64,
    drafts: Vec<String>,
}

fn args(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// What must be seen of the acts on one object. A file replaces the whole object by what stood in it, so it replaces what was
/// patched before it; of two files the later one is all that stands, and which that was the audit log does not tell.
fn standing<'a>(done: &[&'a Act], order: &[String]) -> Vec<&'a Act> {
    let is_load = |act: &Act| act.action == "book.load";
    let loads = done.iter().filter(|act| is_load(act)).count();
    let field = |act: &Act| match &act.mark {
        Mark::Field { field, .. } => Some(*field),
        _ => None,
    };
    let is_one_field = done.iter().all(|act| field(act) == field(done[0]));
    let is_last = order.last().is_some_and(|action| action == "book.load");
    let is_replaced = |act: &Act| match act.mark {
        Mark::Field { .. } | Mark::Price(_) => {
            (loads == 2 && !is_one_field) || (loads == 1 && is_last && !is_load(act))
        }
        _ => false,
    };
    done.iter().copied().filter(|act| !is_replaced(act)).collect()
}

impl Race {
    /// With a customer, and so a draft, for each round.
    fn of(books: Books, rounds: usize) -> Self {
        let mut book = book(rounds.max(2));
        let base = json!({"sku": "PRO-BASE", "anchorcode": "base", "fullname": "Base fee", "chargetype": "recurring",
            "pricingmodel": "per_unit", "billingperiod": "monthly", "billingperiodalignment": "subscription_start",
            "defaultamount": "1", "taxable": true, "pricings": [{"currencycode": "DKK", "price": "199.00"}]});
        book["productplans"][0]["charges"] = json!([base]);
        book["discounts"] = json!([{"refkey": "launch", "fullname": "Launch", "type": "percentage", "amount": "0.10",
            "codes": [{"codeprefix": "LAUNCH", "code": "A1", "redemption": 2}]}]);
        let path = books.file("book.json", book.to_string());
        books.json(&["load", &path]);
        let mut race = Self { books, recorded: 0, redeemed: 0, drafts: Vec::new() };
        race.news();
        race
    }

    /// What the audit log has got since it was last read.
    fn news(&mut self) -> Vec<String> {
        let after = self.recorded.to_string();
        let text = self.books.run(&["audit", "--lines", "--after", &after]).exits(0).stdout;
        let links: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        self.recorded = links.last().map_or(self.recorded, |link| link["ordinal"].as_u64().unwrap());
        links.iter().map(|link| link["action"].as_str().unwrap().to_owned()).collect()
    }

    /// A change of a field through a patch or through a file that is loaded.
    fn field(
        &self,
        dice: &mut Dice,
        (kind, list, name): (&'static str, &str, &str),
        key: &'static str,
        field: &'static str,
    ) -> Act {
        let value = format!("v{}", dice.within(1, 1_000_000_000));
        let mark = Mark::Field { kind, key, field, value: value.clone() };
        let set = json!({field: value});
        if dice.chance(50) {
            let args = args(&["book", "patch", kind, key, "--set", &set.to_string()]);
            return Act { args, action: "book.patch", mark };
        }
        let mut document = self.books.json(&["book", "show", kind, key, "--secrets"])["document"].clone();
        document[field] = json!(value);
        document[name] = json!(key);
        let file = format!("load-{}.json", dice.within(1, u64::from(u32::MAX)));
        let path = self.books.file(&file, json!({list: [document]}).to_string());
        Act { args: args(&["load", &path]), action: "book.load", mark }
    }

    fn subscription(&self, dice: &mut Dice) -> Act {
        if dice.chance(50) {
            let on = format!("2026-01-{:02}", dice.within(2, 30));
            let amount = format!("{}", dice.within(2, 1_000_000));
            let verb = ["subscriptions", "setamount", "SUB-0001", "--charge", "base"];
            let args = args(&[&verb[..], &["--amount", &amount, "--on", &on]].concat());
            let mark = Mark::Amount { number: "SUB-0001", on, amount };
            return Act { args, action: "subscription.setamount", mark };
        }
        let kind = ("subscription", "subscriptions", "subscriptionnumber");
        self.field(dice, kind, "SUB-0001", "subscriptionreference")
    }

    fn customer(&self, dice: &mut Dice) -> Act {
        if dice.chance(25) {
            let account = format!("CU-{:04}", dice.within(1, 2));
            let verb = ["discounts", "apply", "LAUNCH-A1", "--customer", &account, "--on", "2026-01-05"];
            return Act { args: args(&verb), action: "customer.applydiscount", mark: Mark::Redeemed };
        }
        let field = *dice.pick(&["city", "addressline1", "companyname", "fullname"]);
        self.field(dice, ("customer", "customers", "accountnumber"), "CU-0001", field)
    }

    fn plan(&self, dice: &mut Dice) -> Act {
        if dice.chance(40) {
            let price = format!("{}.00", dice.within(100, 1_000_000));
            let mut document = self.books.json(&["book", "show", "productplan", "PRO"])["document"].clone();
            let charges = document["charges"].as_array_mut().unwrap();
            charges[0]["pricings"][0]["price"] = json!(price);
            let set = json!({"charges": charges}).to_string();
            let args = args(&["book", "patch", "productplan", "PRO", "--set", &set]);
            return Act { args, action: "book.patch", mark: Mark::Price(price) };
        }
        self.field(dice, ("productplan", "productplans", "sku"), "PRO", "fullname")
    }

    fn draft(&self, dice: &mut Dice, id: &str) -> Act {
        let invoices = |verb: &[&str]| args(&[&["invoices"], verb].concat());
        match dice.within(1, 4) {
            1 => {
                let args = invoices(&["book", id, "--as-of", "2026-02-01"]);
                Act { args, action: "invoice.book", mark: Mark::Booked }
            }
            2 => Act { args: invoices(&["cancel", id]), action: "draft.cancel", mark: Mark::Dropped },
            3 => {
                let reference = format!("PO {}", dice.within(1, 1_000_000_000));
                let path = self
                    .books
                    .file(&format!("{reference}.json"), json!({"reference": reference}).to_string());
                Act { args: invoices(&["edit", id, &path]), action: "draft.edit", mark: Mark::Reference }
            }
            _ => {
                let total = format!("{}.00", dice.within(1, 150));
                let lines = json!({"lines": [{"line": 1, "amount": total}]});
                let name = format!("lines-{}.json", dice.within(1, u64::from(u32::MAX)));
                let path = self.books.file(&name, lines.to_string());
                Act { args: invoices(&["edit", id, &path]), action: "draft.edit", mark: Mark::Total(total) }
            }
        }
    }

    /// The drafts that are raced for from now on.
    fn review(&mut self) {
        self.books.json(&["run", "--as-of", "2026-02-01", "--review", "--skip", "render,send,collect"]);
        let drafts = self.books.json(&["invoices", "--state", "draft"]);
        self.drafts =
            drafts.as_array().unwrap().iter().map(|d| d["ID"].as_str().unwrap().to_owned()).collect();
        self.news();
    }

    fn round(&mut self, number: u64) {
        let mut dice = Dice::of(number);
        let draft = self.drafts.pop();
        let acts: Vec<Act> = match (&draft, dice.within(1, 3)) {
            (Some(id), _) => (0..2).map(|_| self.draft(&mut dice, id)).collect(),
            (None, 1) => (0..2).map(|_| self.subscription(&mut dice)).collect(),
            (None, 2) => (0..2).map(|_| self.customer(&mut dice)).collect(),
            (None, _) => (0..2).map(|_| self.plan(&mut dice)).collect(),
        };
        let answers = meet(&self.books, &mut dice, &acts);
        let told = format!(
            "round {number}: {:?}",
            acts.iter().zip(&answers).map(|(act, answer)| (&act.args, answer)).collect::<Vec<_>>()
        );
        let done: Vec<&Act> =
            acts.iter().zip(&answers).filter(|(_, answer)| answer.code == 0).map(|(act, _)| act).collect();
        assert!(answers.iter().all(|answer| [0, 1].contains(&answer.code)), "{told}");
        let is_redeemed = |act: &Act| matches!(act.mark, Mark::Redeemed);
        assert!(!done.is_empty() || acts.iter().any(is_redeemed), "nobody was let through: {told}");
        let mut news = self.news();
        let order = news.clone();
        let mut expected: Vec<String> = done.iter().map(|act| act.action.to_owned()).collect();
        news.sort();
        expected.sort();
        assert_eq!(news, expected, "the audit log tells something else: {told}");
        self.redeemed += done.iter().filter(|act| is_redeemed(act)).count() as u64;
        match draft {
            Some(id) => self.check_draft(&id, &done, &told),
            None => self.check_book(&standing(&done, &order), &told),
        }
    }

    /// What was done to the book is there; of two values for one field the later one, whichever that was.
    fn check_book(&self, done: &[&Act], told: &str) {
        let mut fields: BTreeMap<(&str, &str, &str), Vec<&str>> = BTreeMap::new();
        let mut prices = Vec::new();
        for act in done {
            match &act.mark {
                Mark::Field { kind, key, field, value } => {
                    fields.entry((*kind, *key, *field)).or_default().push(value);
                }
                Mark::Price(price) => prices.push(price.as_str()),
                Mark::Amount { number, on, amount } => {
                    let shown = self.books.json(&["subscriptions", "show", number]);
                    let is_it =
                        |act: &Value| act["on"] == on.as_str() && act["verb"]["amount"] == amount.as_str();
                    let acts = shown["acts"].as_array().unwrap();
                    assert!(acts.iter().any(is_it), "{on} {amount} is lost: {told}\n{shown:#}");
                }
                _ => {}
            }
        }
        for ((kind, key, field), values) in fields {
            let document = self.books.json(&["book", "show", kind, key])["document"].clone();
            assert!(
                values.contains(&document[field].as_str().unwrap_or_default()),
                "{field} is lost: {told}"
            );
        }
        if !prices.is_empty() {
            let document = self.books.json(&["book", "show", "productplan", "PRO"])["document"].clone();
            let price = document["charges"][0]["pricings"][0]["price"].as_str().unwrap_or_default();
            assert!(prices.contains(&price), "the price is lost: {told}");
        }
    }

    /// A draft is booked or dropped once, and what was changed of it before is on the invoice.
    fn check_draft(&self, id: &str, done: &[&Act], told: &str) {
        let ends = done.iter().filter(|act| matches!(act.mark, Mark::Booked | Mark::Dropped)).count();
        assert!(ends <= 1, "it was ended twice: {told}");
        let shown = self.books.run(&["--json", "invoices", "show", id]);
        if done.iter().any(|act| matches!(act.mark, Mark::Dropped)) {
            let booked = self.books.json(&["invoices"]).to_string();
            return assert!(!booked.contains(id), "it was dropped and is booked: {told}");
        }
        let shown = shown.exits(0).json();
        let is_booked = done.iter().any(|act| matches!(act.mark, Mark::Booked));
        assert_eq!(
            shown["InvoiceNumber"].as_str().is_some_and(|n| n.starts_with("INV")),
            is_booked,
            "{told}"
        );
        let of = |look: fn(&Mark) -> Option<&String>| -> Vec<&String> {
            done.iter().filter_map(|act| look(&act.mark)).collect()
        };
        let totals = of(|mark| if let Mark::Total(total) = mark { Some(total) } else { None });
        if !totals.is_empty() {
            assert!(totals.iter().any(|total| shown["Total"] == total.as_str()), "{told}\n{shown:#}");
        }
    }
}

/// One process of a round.
struct Runner {
    child: Child,
    /// So long it sleeps once it stands before its commit.
    sleeps: Duration,
    since: Option<Instant>,
}

impl Runner {
    fn start(books: &Books, act: &Act, dice: &mut Dice) -> Self {
        let words: Vec<&str> = act.args.iter().map(String::as_str).collect();
        let mut command: Command = books.command(&[&["--json"], &words[..]].concat());
        if dice.chance(70) {
            command.env("TALLYBOOK_FREEZE_AT", "store.commit");
        }
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Self { child, sleeps: Duration::from_millis(dice.within(0, 120)), since: None }
    }

    /// Wakes it when its time has come; whether it has ended.
    fn has_ended(&mut self) -> bool {
        if self.child.try_wait().unwrap().is_some() {
            return true;
        }
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let is_stopped = stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'));
        let since = is_stopped.then(|| *self.since.get_or_insert_with(Instant::now));
        if since.is_some_and(|since| since.elapsed() >= self.sleeps) {
            let id = self.child.id().to_string();
            assert!(Command::new("kill").args(["-CONT", &id]).status().unwrap().success());
        }
        false
    }
}

/// Both acts at once, one a moment after the other.
fn meet(books: &Books, dice: &mut Dice, acts: &[Act]) -> Vec<Answer> {
    let mut runners = Vec::new();
    for act in acts {
        runners.push(Runner::start(books, act, dice));
        std::thread::sleep(Duration::from_millis(dice.within(0, 60)));
    }
    loop {
        let ended = runners.iter_mut().filter_map(|runner| runner.has_ended().then_some(())).count();
        if ended == runners.len() {
            break;
        }
        std::thread::sleep(Duration::from_millis(3));
    }
    runners.into_iter().map(|runner| answer(runner.child.wait_with_output().unwrap())).collect()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Half of the rounds change the book, the others drafts of a run in review.
fn races_on(books: Books) {
    let rounds: Vec<u64> = match number("RACE") {
        Some(round) => vec![round],
        None => (1..=number("RACE_ROUNDS").unwrap_or(ROUNDS)).collect(),
    };
    let mut race = Race::of(books, rounds.len());
    let is_of_drafts = |round: &&u64| round.is_multiple_of(2);
    for round in rounds.iter().filter(|round| !is_of_drafts(round)) {
        race.round(*round);
    }
    race.review();
    for round in rounds.iter().filter(is_of_drafts) {
        race.round(*round);
    }
    let redeemed = race.books.json(&["discounts"])[0]["redeemed"].as_u64().unwrap();
    assert_eq!(redeemed, race.redeemed);
    assert!(redeemed <= 2);
    assert_eq!(race.books.json(&["verify"])["ok"], true);
}

#[test]
fn two_processes_at_once_lose_nothing_on_sqlite() {
    races_on(Books::Sqlite(Home::new()));
}

#[test]
fn two_processes_at_once_lose_nothing_on_postgresql() {
    races_on(Books::Postgres(PgHome::new()));
}
