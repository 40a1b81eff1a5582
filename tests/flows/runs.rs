//! Runs that would go wrong without a word: payers beyond a bound, a mistyped year, a run too early for some, drafts that
//! nobody has approved, and what a run said before it was tried again.

use crate::support::postgres::PgHome;
use crate::support::{Answer, Home, answer, book, january};
use serde_json::{Value, json};

const QUIET: [&str; 2] = ["--skip", "render,send,collect"];

/// Two customers whose January is billed; the second has used a hundred times as much in February.
fn grown(load: impl Fn(&Value, &str), ingest: impl Fn(&str)) {
    load(&book(2), &january(2));
    ingest("id,subject,meter,quantity,time\nf2,SUB-0002,api_calls,90000,2026-02-11T10:00:00Z\n");
}

fn bounded(home: &Home, args: &[&str]) -> Answer {
    let mut command = home.command(&[&["--json"], args].concat());
    command.env("TALLYBOOK_BOUNDS_AMOUNT_GROWTH_PCT", "100");
    answer(command.output().unwrap())
}

fn accounts(invoices: &Value, key: &str) -> Vec<String> {
    let list = invoices.as_array().unwrap().iter();
    list.map(|i| i[key].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_parked_payer_is_billed_by_no_run_until_a_person_lets_it_through_by_name() {
    let home = Home::new();
    grown(
        |b, usage| {
            home.load(b);
            home.ingest("january.csv", usage).exits(0);
            home.json(&[&["run", "--as-of", "2026-02-01"], &QUIET[..]].concat());
        },
        |text| drop(home.ingest("february.csv", text).exits(0)),
    );
    let run = |args: &[&str]| bounded(&home, &[&["run"], args, &QUIET[..]].concat());
    let preview = bounded(&home, &["run", "--as-of", "2026-03-01", "--preview"]).exits(3).json();
    assert_eq!(
        preview["differences"].as_array().unwrap().last().unwrap()["difference"],
        "parked",
        "{preview:#}"
    );
    assert!(!preview.to_string().contains("release 2"), "run 2 does not exist: {preview:#}");
    let parked = run(&["--as-of", "2026-03-01"]).exits(3).json();
    assert_eq!((&parked["parked"], &parked["invoiced"]), (&json!(1), &json!(1)), "{parked:#}");
    assert_eq!(parked["hash"], preview["hash"]);

    // Neither the next night, nor the payer alone, nor a rerun, nor a raised bound.
    assert_eq!(run(&["--as-of", "2026-03-02"]).exits(3).json()["parked"], 1);
    let alone = run(&["--as-of", "2026-03-02", "--customer", "CU-0002"]).exits(3).json();
    assert_eq!((&alone["parked"], &alone["invoiced"]), (&json!(1), &json!(0)), "{alone:#}");
    bounded(&home, &["runs", "rerun", "2", "--failed"]).exits(3);
    let unbounded = home.run(&[&["--json", "run", "--as-of", "2026-03-02"], &QUIET[..]].concat());
    assert_eq!(unbounded.exits(3).json()["invoiced"], 0);
    let told = bounded(&home, &["run", "--as-of", "2026-03-03", "--preview"]).exits(3).json();
    assert!(told["aside"].to_string().contains("parked by run 2"), "{told:#}");
    let told = home.run(&["run", "--as-of", "2026-03-03", "--preview"]).exits(3).stderr;
    assert!(told.contains("`tallybook runs release 2 --customer CU-0002`"), "{told}");

    let doctor = home.run(&["doctor"]).stdout;
    assert!(doctor.contains("CU-0002 is parked since run 2"), "{doctor}");

    let nobody = bounded(&home, &["runs", "release", "2", "--customer", "CU-0001"]).exits(1);
    assert_eq!(nobody.error()["code"], "not_parked");
    let released = bounded(&home, &["runs", "release", "2", "--customer", "CU-0002"]).exits(0).json();
    assert_eq!(
        (&released["run"], &released["parked"], &released["invoiced"]),
        (&json!(2), &json!(0), &json!(2))
    );
    assert_eq!(released["hash"], parked["hash"], "what the run said stays");
    let shown = home.json(&["runs", "show", "2"]);
    let attempt = &shown["attempts"][0];
    assert_eq!((&attempt["attempt"], &attempt["kind"]), (&json!(2), &json!("release")), "{shown:#}");
    assert!(attempt["before"][0]["reason"].as_str().unwrap().contains("bounds.amount_growth_pct = 100"));
    assert_eq!(run(&["--as-of", "2026-03-03"]).exits(0).json()["parked"], 0);
    home.run(&["verify"]).exits(0);
}

#[test]
fn a_bound_compares_with_the_period_before_and_not_with_the_last_run() {
    let home = PgHome::new();
    home.fill(&book(1), &january(1));
    home.json(&["run", "--as-of", "2026-02-01", "--skip", QUIET[1]]);
    // A small run of the same scope in between bills a day's act; the month after it is as usual.
    home.json(&[
        "invoices",
        "create",
        home.home
            .file(
                "i.json",
                json!({"customer": "CU-0001", "date": "2026-02-10",
        "lines": [{"title": "x", "quantity": "1", "unitprice": "1"}]})
                .to_string(),
            )
            .to_str()
            .unwrap(),
        "--book",
    ]);
    home.json(&["run", "--as-of", "2026-02-10", "--skip", QUIET[1]]);
    let usual = home
        .home
        .file("f.csv", "id,subject,meter,quantity,time\nf,SUB-0001,api_calls,1500,2026-02-11T10:00:00Z\n");
    home.json(&["ingest", usual.to_str().unwrap()]);
    let mut command = home.command(&["--json", "run", "--as-of", "2026-03-01", "--skip", QUIET[1]]);
    command.env("TALLYBOOK_BOUNDS_AMOUNT_GROWTH_PCT", "50");
    let billed = answer(command.output().unwrap()).exits(0).json();
    assert_eq!((&billed["parked"], &billed["invoiced"]), (&json!(0), &json!(1)), "{billed:#}");
}

#[test]
fn a_mistyped_year_writes_nothing_and_bars_nobody() {
    let home = Home::new();
    home.load(&book(2));
    let do_it = |args: &[&str]| {
        let mut command = home.command(args);
        command.env("TALLYBOOK_BOUNDS_DAYS_AHEAD", "31").env("TALLYBOOK_NOW", "2026-01-15T12:00:00Z");
        answer(command.output().unwrap())
    };
    let run = |args: &[&str]| do_it(&[&["--json", "run"], args, &QUIET[..]].concat());
    let retry =
        |args: &[&str]| do_it(&[&["--json", "payments", "retry", "--as-of", "2062-01-15"], args].concat());
    let runs = [&["--as-of", "2026-02-16"][..], &["--as-of", "2062-01-15", "--preview"]].map(run);
    for refused in runs.into_iter().chain([retry(&[])]) {
        let refused = refused.exits(1).error();
        assert_eq!(refused["code"], "too_far_ahead");
        assert!(refused["hint"].as_str().unwrap().contains("--ahead"), "{refused}");
    }
    assert_eq!(home.json(&["runs"]), json!([]), "nothing was written");
    retry(&["--ahead"]).exits(0);
    assert_eq!(run(&["--as-of", "2026-02-15"]).exits(0).json()["invoiced"], 4);
    let number = home.json(&["invoices"])[0]["InvoiceNumber"].as_str().unwrap().to_owned();
    let before = home.json(&["audit"]);
    for verb in [
        &["invoices", "credit", &number, "--as-of"][..],
        &["invoices", "markpaid", &number, "--on"],
        &["invoices", "writeoff", &number, "--on"],
        &["invoices", "refund", &number, "--by-hand", "--on"],
        &["invoices", "recharge", &number, "--as-of"],
        &["payments", "export", "--as-of"],
        &["runs", "reverse", "1", "--yes", "--as-of"],
    ] {
        let refused = do_it(&[&["--json"], verb, &["2062-01-15"]].concat()).exits(1).error();
        assert_eq!(refused["code"], "too_far_ahead", "{verb:?}: {refused}");
    }
    assert_eq!(home.json(&["audit"]), before, "nothing was written");
    // Meant: one payer far ahead. The others are billed by plain runs; it is left out by name until its day.
    assert_eq!(
        run(&["--as-of", "2027-01-01", "--ahead", "--customer", "CU-0001"]).exits(0).json()["invoiced"],
        11
    );
    let plain = run(&[]).exits(0).json();
    assert_eq!((&plain["leftout"], &plain["invoiced"]), (&json!(["CU-0001", "CU-0002"]), &json!(0)));
    let later = run(&["--as-of", "2026-02-15"]).exits(0).json();
    assert_eq!(later["leftout"], json!(["CU-0001"]), "{later:#}");
    let preview = run(&["--as-of", "2026-02-15", "--preview"]).exits(0).json();
    assert_eq!((&preview["leftout"], &preview["hash"]), (&later["leftout"], &later["hash"]));
    let reversed = home.json(&["runs", "reverse", "2", "--yes", "--as-of", "2026-02-15", "--rebill"]);
    assert_eq!(reversed["creditnotes"], 11, "{reversed:#}");
    assert_eq!(home.json(&["runs", "show", "2"])["state"], "reversed");
    let again = run(&["--as-of", "2026-02-15"]).exits(0).json();
    assert_eq!(again["leftout"], json!([]), "a reversed run never bars: {again:#}");
    home.run(&["verify"]).exits(0);

    let mut old = home.command(&["config"]);
    old.env("TALLYBOOK_BOUNDS_MONTHS_AHEAD", "2");
    let old = answer(old.output().unwrap()).exits(1);
    assert!(old.stderr.contains("bounds.days_ahead"), "{old:?}");
}

#[test]
fn only_the_payers_that_are_approved_are_booked_and_the_others_wait() {
    let home = PgHome::new();
    home.fill(&book(3), &january(3));
    home.json(&["run", "--as-of", "2026-01-01", "--review", "--skip", QUIET[1]]);
    let refused = home.run(&["--json", "runs", "approve", "1", "--customer", "CU-0009"]).exits(1);
    assert_eq!(refused.error()["code"], "no_draft");
    let approved = home.json(&["runs", "approve", "1", "--customer", "CU-0001", "--customer", "CU-0003"]);
    assert_eq!((&approved["state"], &approved["invoiced"]), (&json!("review"), &json!(2)), "{approved:#}");
    assert_eq!(accounts(&home.json(&["invoices"]), "AccountNumber"), ["CU-0001", "CU-0003"]);
    assert_eq!(accounts(&home.json(&["invoices", "--state", "draft"]), "AccountNumber"), ["CU-0002"]);
    // The rest is dropped: what is booked stands, and what is not is due again.
    let cancelled = home.json(&["runs", "cancel", "1"]);
    assert_eq!((&cancelled["drafts"], &cancelled["booked"]), (&json!(1), &json!(2)));
    let next = home.json(&["run", "--as-of", "2026-01-02", "--review", "--skip", QUIET[1]]);
    assert_eq!(next["state"], "review");
    let all = home.json(&["runs", "approve", "2"]);
    assert_eq!((&all["state"], &all["invoiced"]), (&json!("closed"), &json!(1)));
    assert_eq!(accounts(&home.json(&["invoices"]), "AccountNumber"), ["CU-0001", "CU-0003", "CU-0002"]);
    assert_eq!(home.json(&["verify"])["ok"], true);
}

#[test]
fn a_rerun_adds_to_what_a_run_said_and_every_view_of_it_ends_alike() {
    let home = Home::new();
    home.load(&book(3));
    home.ingest("january.csv", &january(3)).exits(0);
    let preview = home.json(&["run", "--as-of", "2026-02-01", "--preview"]);
    let hash = preview["hash"].as_str().unwrap();
    home.json(&["run", "--as-of", "2026-02-01", "--review", "--skip", QUIET[1]]);
    // One payer's book changes under its drafts.
    let mut moved = book(3);
    moved["customers"][1]["city"] = json!("Odense");
    home.load(&moved);
    let first = home.run(&["--json", "runs", "approve", "1"]).exits(3).json();
    assert_eq!((&first["failed"], &first["hash"]), (&json!(1), &json!(hash)), "{first:#}");
    for view in [["runs", "show", "1"], ["runs", "report", "1"]] {
        home.run(&view).exits(3);
    }
    let again = home.json(&["runs", "rerun", "1", "--failed"]);
    assert_eq!(again["state"], "review", "it was asked to stop at drafts");
    let last = home.json(&["runs", "approve", "1"]);
    for what in ["hash", "usage", "payers"] {
        assert_eq!(last[what], first[what], "{what} of the run stays said");
    }
    assert_eq!((&last["invoiced"], &last["failed"]), (&json!(6), &json!(0)), "{last:#}");
    let shown = home.json(&["runs", "show", "1"]);
    let attempt = &shown["attempts"][0];
    assert_eq!((&attempt["kind"], &attempt["usage"]["rated"]), (&json!("rerun"), &json!(2)), "{shown:#}");
    let before = &attempt["before"][0];
    assert_eq!((&before["account"], &before["state"]), (&json!("CU-0002"), &json!("failed")));
    assert_ne!(attempt["hash"], first["hash"]);
    home.run(&["runs", "report", "1"]).exits(0);
    home.run(&["verify"]).exits(0);
}

#[test]
fn a_run_expected_by_its_hash_is_rerun_without_being_dropped() {
    let home = Home::new();
    home.load(&book(2));
    home.ingest("january.csv", &january(2)).exits(0);
    home.json(&[&["run", "--as-of", "2026-02-01"], &QUIET[..]].concat());
    let usage = "id,subject,meter,quantity,time\nf,SUB-0002,api_calls,90000,2026-02-11T10:00:00Z\n";
    home.ingest("february.csv", usage).exits(0);
    let hash = bounded(&home, &["run", "--as-of", "2026-03-01", "--preview"]).json()["hash"].clone();
    let args = ["run", "--as-of", "2026-03-01", "--expect", hash.as_str().unwrap(), "--skip", QUIET[1]];
    bounded(&home, &args).exits(3);
    let released = bounded(&home, &["runs", "release", "2", "--customer", "CU-0002"]).exits(0).json();
    assert_eq!((&released["state"], &released["invoiced"]), (&json!("closed"), &json!(2)), "{released:#}");
}
