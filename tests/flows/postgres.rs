//! PostgreSQL: the same books as on SQLite, with one worker or several, and when workers are killed or frozen.

use crate::support::postgres::PgHome;
use crate::support::{Home, book, january};
use serde_json::Value;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

const PAYERS: usize = 200;
const RUN: [&str; 4] = ["--json", "run", "--as-of", "2026-02-01"];

/// Everything that was booked, as another database would have it.
fn booked(json: impl Fn(&[&str]) -> Value) -> (Value, Value) {
    let ledger = json(&["export", "ledger", "--format", "csv"]);
    (json(&["invoices"]), ledger["content"].clone())
}

fn undisturbed() -> (Value, Value) {
    let home = Home::new();
    home.load(&book(PAYERS));
    home.ingest("usage.csv", &january(PAYERS)).exits(0);
    home.json(&RUN[1..]);
    booked(|args| home.json(args))
}

fn ready() -> PgHome {
    let home = PgHome::new();
    home.fill(&book(PAYERS), &january(PAYERS));
    home
}

fn spawn(home: &PgHome, args: &[&str]) -> Child {
    home.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

/// One charge at the provider per attempt.
fn charges(home: &PgHome) -> usize {
    std::fs::read_to_string(home.home.path().join("sandbox-payments.ndjson")).unwrap().lines().count()
}

#[track_caller]
fn is_as_undisturbed(home: &PgHome) {
    assert_eq!(booked(|args| home.json(args)), undisturbed());
    assert_eq!(home.json(&["verify"])["ok"], true);
}

/// As many charges as an undisturbed run makes.
#[track_caller]
fn charged_once(home: &PgHome) {
    let once = ready();
    once.json(&RUN[1..]);
    assert_eq!(charges(home), charges(&once));
}

#[test]
fn a_run_on_postgresql_books_what_sqlite_books() {
    let home = ready();
    home.json(&RUN[1..]);
    is_as_undisturbed(&home);
    let again = home.json(&RUN[1..]);
    assert_eq!(again["invoiced"], 0, "a second run has nothing to do");
}

#[test]
fn a_killed_run_is_gone_on_with_at_once() {
    let home = ready();
    for round in 1..=8_u64 {
        let mut child = spawn(&home, &RUN);
        std::thread::sleep(Duration::from_millis(120 * round));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    home.json(&RUN[1..]);
    is_as_undisturbed(&home);
    charged_once(&home);
}

#[test]
fn many_workers_of_whom_one_is_killed_and_one_frozen_book_what_one_books() {
    let home = ready();
    let mut workers: Vec<Child> = (0..3).map(|_| spawn(&home, &["worker"])).collect();
    std::thread::sleep(Duration::from_millis(800));
    let mut run = spawn(&home, &RUN);
    std::thread::sleep(Duration::from_millis(700));
    workers[0].kill().unwrap();
    signal(&workers[1], "-STOP");
    std::thread::sleep(Duration::from_millis(500));
    signal(&workers[1], "-CONT");
    assert_eq!(run.wait().unwrap().code(), Some(0));
    for worker in &mut workers[1..] {
        signal(worker, "-TERM");
        assert_eq!(worker.wait().unwrap().code(), Some(0));
    }
    workers[0].wait().unwrap();
    is_as_undisturbed(&home);
}

#[test]
fn mails_that_a_dying_process_still_holds_are_waited_for_and_sent() {
    let home = ready();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut without_relay = home.command(&RUN);
    without_relay
        .env("TALLYBOOK_MAIL_TRANSPORT", "smtp")
        .env("TALLYBOOK_MAIL_HOST", "127.0.0.1")
        .env("TALLYBOOK_MAIL_PORT", closed.to_string());
    assert_eq!(without_relay.output().unwrap().status.code(), Some(3), "the mails wait");
    let mut dying = stopped_at(&home, &["mails", "send"], "mail.send");
    let held = "select count(*) from delivery where claimed_by is not null";
    assert_ne!(home.sql(held).unwrap(), "0");
    let sending = home.command(&["--json", "mails", "send"]).stdout(Stdio::piped()).spawn().unwrap();
    // As the server would see it: the process is there for a while after others have begun on its work.
    std::thread::sleep(Duration::from_secs(1));
    dying.kill().unwrap();
    dying.wait().unwrap();
    let sent = sending.wait_with_output().unwrap();
    assert_eq!(sent.status.code(), Some(0), "{sent:?}");
    assert_eq!(home.json(&["mails"]), serde_json::json!([]));
    is_as_undisturbed(&home);
}

/// Everything that a process that should be dead could have written: rows of each table, and charges.
fn written(home: &PgHome) -> Vec<String> {
    let tables = [
        "run",
        "run_item",
        "run_slice",
        "draft",
        "invoice",
        "invoice_line",
        "invoice_settlement",
        "ledger_entry",
        "ledger_posting",
        "ledger_seal",
        "payment_attempt",
        "document",
        "delivery",
        "counter",
        "number_series",
    ];
    let hash = |table: &str| {
        let rows = format!("select count(*), md5(string_agg(t::text, ' ' order by t::text)) from {table} t");
        format!("{table} {}", home.sql(&rows).unwrap())
    };
    let mut all: Vec<String> = tables.into_iter().map(hash).collect();
    all.push(std::fs::read_to_string(home.home.path().join("sandbox-payments.ndjson")).unwrap());
    all
}

/// A run that stops itself at a door, outside any transaction, with a slice claimed.
fn frozen_at(home: &PgHome, door: &str) -> Child {
    stopped_at(home, &RUN, door)
}

/// A command that stops itself at a door.
fn stopped_at(home: &PgHome, args: &[&str], door: &str) -> Child {
    let mut command = home.command(args);
    command.env("TALLYBOOK_FREEZE_AT", door).stdout(Stdio::null()).stderr(Stdio::null());
    let mut frozen = command.spawn().unwrap();
    let state = format!("/proc/{}/stat", frozen.id());
    loop {
        assert!(frozen.try_wait().unwrap().is_none(), "it ended before it came to {door}");
        let stat = std::fs::read_to_string(&state).unwrap();
        if stat.rsplit(") ").next().unwrap().starts_with('T') {
            return frozen;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Wakes a frozen run whose work somebody else has done; it must find that out and write nothing.
fn wakes_and_writes_nothing(home: &PgHome, mut frozen: Child, door: &str) {
    let before = written(home);
    signal(&frozen, "-CONT");
    let code = frozen.wait().unwrap().code();
    assert!(code == Some(0) || code == Some(2), "frozen at {door}, it ended with {code:?}");
    assert_eq!(written(home), before, "frozen at {door}");
    is_as_undisturbed(home);
}

#[test]
fn a_frozen_run_whose_claims_ran_out_writes_nothing_when_it_wakes() {
    let home = ready();
    let frozen = frozen_at(&home, "files.put");
    let expire = "update run_slice set claimed_until = now() - interval '1 hour'
                  where state = 'open' and worker is not null returning slice";
    assert_ne!(home.sql(expire).unwrap(), "");
    // What it has fetched and not claimed yet is as old.
    home.sql(
        "update apalis.jobs set lock_at = now() - interval '1 hour' where status in ('Queued', 'Running')",
    )
    .unwrap();
    let mut worker = spawn(&home, &["worker"]);
    while home.sql("select count(*) from run where state <> 'closed'").unwrap() != "0" {
        std::thread::sleep(Duration::from_millis(50));
    }
    signal(&worker, "-TERM");
    assert_eq!(worker.wait().unwrap().code(), Some(0));
    wakes_and_writes_nothing(&home, frozen, "files.put");
}

#[test]
fn a_frozen_run_whom_the_server_has_given_up_writes_nothing_when_it_wakes() {
    // Not at the gateway: the sandbox is a file under a lock, which another thread of the frozen process may hold.
    for door in ["files.put", "mail.send"] {
        let home = ready();
        let frozen = frozen_at(&home, door);
        home.sql(
            "select pg_terminate_backend(pid) from pg_stat_activity
             where datname = current_database() and pid <> pg_backend_pid()",
        )
        .unwrap();
        home.json(&RUN[1..]);
        wakes_and_writes_nothing(&home, frozen, door);
    }
}

#[test]
fn a_second_run_of_the_same_scope_is_refused_while_the_first_one_lives() {
    let home = ready();
    let mut first = spawn(&home, &RUN);
    let mut refused = None;
    for _ in 0..100 {
        let second = home.run(&RUN);
        if second.code == 1 {
            refused = Some(second.error());
            break;
        }
        if first.try_wait().unwrap().is_some() {
            break;
        }
    }
    first.wait().unwrap();
    if let Some(error) = refused {
        assert_eq!(error["code"], "run_in_progress", "{error}");
    }
    assert_eq!(home.json(&["invoices"]).as_array().unwrap().len(), 2 * PAYERS, "nothing is billed twice");
}

#[test]
fn a_run_whose_connections_are_lost_in_the_middle_ends_or_is_gone_on_with() {
    let home = ready();
    let mut run = spawn(&home, &RUN);
    for _ in 0..4 {
        std::thread::sleep(Duration::from_millis(350));
        home.sql(
            "select pg_terminate_backend(pid) from pg_stat_activity
             where datname = current_database() and pid <> pg_backend_pid()",
        )
        .unwrap();
    }
    let code = run.wait().unwrap().code();
    assert!(code == Some(0) || code == Some(2), "{code:?}");
    home.json(&RUN[1..]);
    is_as_undisturbed(&home);
    charged_once(&home);
}

#[test]
fn a_clock_that_jumps_ahead_and_back_changes_no_invoice_and_keeps_nobody_waiting() {
    let home = ready();
    // Each is killed in the middle; the claims of the one ahead run out in ten years, by the clock of the next.
    for now in ["2036-06-01T00:00:00Z", "2026-02-01T03:00:00Z", "2031-01-01T00:00:00Z"] {
        let mut command = home.command(&RUN);
        command.env("TALLYBOOK_NOW", now).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        std::thread::sleep(Duration::from_millis(600));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let begun = std::time::Instant::now();
    let last = home.command(&RUN).env("TALLYBOOK_NOW", "2026-02-01T02:00:00Z").output().unwrap();
    assert!(last.status.success(), "{last:?}");
    assert!(begun.elapsed() < Duration::from_secs(60), "it waited for a claim");
    is_as_undisturbed(&home);
}

/// From now on the server answers as on a full disk once so many rows have been written, its own tables of the queue
/// among them. A sequence counts, which no rollback sets back.
fn fill_disk_after(home: &PgHome, rows: u32) {
    let trigger = format!(
        "create sequence written;
         create function refuse() returns trigger language plpgsql as $$
         begin
             if nextval('public.written') > {rows} then
                 raise exception 'could not extend file: No space left on device' using errcode = 'disk_full';
             end if;
             return new;
         end $$;
         do $$
         declare named regclass;
         begin
             for named in select oid from pg_class
                 where relkind = 'r' and relnamespace in ('public'::regnamespace, 'apalis'::regnamespace)
             loop
                 execute format('create trigger full_disk before insert or update on %s
                                 for each row execute function public.refuse()', named);
             end loop;
         end $$"
    );
    home.sql(&trigger).unwrap();
}

#[test]
fn a_full_disk_of_the_server_is_said_and_the_run_goes_on_when_there_is_room() {
    for rows in [100, 3_000] {
        let home = ready();
        fill_disk_after(&home, rows);
        let full = home.run(&RUN).exits(2);
        assert!(full.stderr.contains("No space left on device"), "after {rows} rows: {full:?}");
        home.sql("drop function refuse() cascade; drop sequence written").unwrap();
        home.json(&RUN[1..]);
        is_as_undisturbed(&home);
        charged_once(&home);
    }
}
