//! Invoices that reach nobody, and books that will not be billed rightly: all of it is told, nothing of it is lost.

use super::mail::{Relay, addressed, through, to_relay};
use crate::support::postgres::PgHome;
use crate::support::{Home, book, files_below};
use serde_json::{Value, json};

/// A port on which nobody listens.
fn nobody_listens() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn column<'v>(rows: &'v Value, name: &str) -> Vec<&'v str> {
    rows.as_array().unwrap().iter().map(|row| row[name].as_str().unwrap_or_default()).collect()
}

fn codes(answer: &Value, list: &str) -> Vec<String> {
    let of = |w: &Value| w["code"].as_str().map(str::to_owned);
    answer[list].as_array().unwrap().iter().filter_map(of).collect()
}

#[test]
fn an_invoice_without_an_address_is_on_every_list_until_it_is_mailed_or_handed_over() {
    let home = Home::new();
    let mut book = book(4);
    for silent in [1, 2, 3] {
        book["customers"][silent]["contacts"] = json!([]);
    }
    book["customers"][3]["delivery"] = json!("none");
    let warned = home.load(&book);
    assert_eq!(codes(&warned, "warnings"), ["no_address", "no_address"], "{warned:#}");
    assert_eq!(warned["warnings"][0]["pointer"], "/customers/1/primaryemail");
    let run = home.run(&["--json", "run", "--as-of", "2026-01-01"]).exits(3).json();
    assert_eq!(run["mails"], json!({"sent": 1, "waiting": 0, "refused": 0, "nobody": 2}), "{run:#}");
    assert_eq!(run["invoiced"], 4, "it is booked all the same");

    let undelivered = home.json(&["invoices", "--state", "undelivered"]);
    assert_eq!(column(&undelivered, "AccountNumber"), ["CU-0002", "CU-0003"]);
    let shown = home.run(&["--json", "runs", "show", "1"]).json();
    assert!(shown["aside"].to_string().contains("CU-0002 has no e-mail address"), "{shown:#}");
    let rerun = home.run(&["runs", "rerun", "1", "--failed"]).exits(3).stderr;
    assert!(rerun.contains("2 mail(s) have not gone out, and `tallybook mails send` sends them"), "{rerun}");
    let mails = home.json(&["mails", "--state", "refused"]);
    assert_eq!(column(&mails, "state"), ["nobody", "nobody"]);
    let doctor = home.run(&["--json", "doctor"]).exits(3).json();
    assert_eq!(doctor["ok"], false);
    let payers = home.json(&["payers"]);
    assert_eq!(column(&payers, "delivery"), ["mail", "mail", "mail", "none"]);
    assert_eq!(payers[1]["undelivered"], 1);
    assert_eq!(payers[0]["mailto"], json!(["bogholder@kunde1.example"]));

    let number = undelivered[1]["InvoiceNumber"].as_str().unwrap();
    home.json(&["invoices", "markdelivered", number, "--on", "2026-01-02", "--note", "by post"]);
    book["customers"][1]["primaryemail"] = json!("late@kunde2.example");
    home.load(&book);
    let sent = home.json(&["mails", "send"]);
    assert_eq!(sent, json!({"sent": 1, "waiting": 0, "refused": 0, "nobody": 0}));
    assert_eq!(home.json(&["mails"]), json!([]));
    assert_eq!(home.json(&["invoices", "--state", "undelivered"]), json!([]));
    let delivered = home.json(&["invoices", "show", number])["Deliveries"].to_string();
    assert!(delivered.contains("by post") && delivered.contains("2026-01-02"), "{delivered}");
    assert_eq!(files_below(&home.path().join("mail"), "eml").len(), 2);
    assert_eq!(home.json(&["runs", "show", "1"])["failed"], 0);
    home.run(&["verify"]).exits(0);
}

#[test]
fn what_a_dead_relay_left_and_what_it_refused_is_sent_by_one_command() {
    let home = Home::new();
    home.load(&addressed(&["a@kunde.example", "gone@kunde.example", "b@kunde.example"]));
    let dead = nobody_listens();
    let run = through(&home, dead, &["run", "--as-of", "2026-01-01"]).exits(3).json();
    assert_eq!(run["mails"]["waiting"], 3, "{run:#}");
    let shown = home.run(&["runs", "show", "1"]);
    assert!(format!("{}{}", shown.stdout, shown.stderr).contains("tallybook mails send"), "{shown:?}");
    assert_eq!(home.json(&["mails", "--state", "waiting"]).as_array().unwrap().len(), 3);
    through(&home, dead, &["mails", "send"]).exits(2);
    through(&home, dead, &["doctor"]).exits(2);

    let relay = Relay::start();
    let sent = through(&home, relay.port, &["mails", "send"]).exits(3).json();
    assert_eq!(sent, json!({"sent": 2, "waiting": 0, "refused": 1, "nobody": 0}));
    through(&home, relay.port, &["doctor"]).exits(3);
    // What was refused outlives a rerun, and a person's word settles it.
    through(&home, relay.port, &["runs", "rerun", "1", "--failed"]);
    let refused = home.json(&["mails", "--state", "refused"]);
    assert_eq!(column(&refused, "account"), ["CU-0002"]);
    assert!(refused[0]["reason"].as_str().unwrap().contains("550"), "{refused}");
    let number = refused[0]["invoice"].as_str().unwrap();
    let refused =
        home.run(&["--json", "invoices", "send", number, "--to", "new.kunde.example"]).exits(1).error();
    assert_eq!(refused["code"], "bad_argument", "a mail to it would wait for good");
    through(&home, relay.port, &["invoices", "send", number, "--to", "new@kunde.example"]).exits(0);
    assert_eq!(home.json(&["mails"]), json!([]));
    assert_eq!(relay.arrived().len(), 3);
    through(&home, relay.port, &["invoices", "send", number, "--to", "new@kunde.example"]).exits(0);
    assert_eq!(relay.arrived().len(), 4, "once more, as a person asks for it");
}

#[test]
fn a_document_that_is_away_for_a_moment_costs_no_mail() {
    let home = Home::new();
    home.load(&addressed(&["a@kunde.example"]));
    through(&home, nobody_listens(), &["run", "--as-of", "2026-01-01"]);
    let (there, away) = (home.path().join("documents/2026"), home.path().join("away"));
    std::fs::rename(&there, &away).unwrap();
    let relay = Relay::start();
    through(&home, relay.port, &["mails", "send"]).exits(2);
    let waits = home.json(&["mails"]);
    assert_eq!(column(&waits, "state"), ["waiting"]);
    assert!(waits[0]["reason"].as_str().unwrap().contains("reading"), "{waits}");
    std::fs::rename(&away, &there).unwrap();
    through(&home, relay.port, &["mails", "send"]).exits(0);
    assert_eq!(relay.arrived().len(), 1);
}

#[test]
fn a_name_that_no_font_writes_is_set_aside_and_booked() {
    let home = Home::new();
    let mut book = book(3);
    book["customers"][0]["fullname"] = json!("株式会社サンプル");
    book["customers"][1]["fullname"] = json!("شركة المثال");
    let warned = home.load(&book);
    assert_eq!(codes(&warned, "warnings"), ["unwritable", "unwritable"], "{warned:#}");
    let run = home.run(&["--json", "run", "--as-of", "2026-01-01"]).exits(3).json();
    assert_eq!((run["invoiced"].as_u64(), run["mails"]["sent"].as_u64()), (Some(3), Some(1)), "{run:#}");
    let shown = home.run(&["--json", "runs", "show", "1"]).json();
    assert!(shown["aside"].to_string().contains("no font can write `株式会社サンプル`"), "{shown:#}");
    assert_eq!(files_below(&home.path().join("documents"), "pdf").len(), 1, "no boxes");
    let undelivered = home.json(&["invoices", "--state", "undelivered"]);
    assert_eq!(column(&undelivered, "AccountNumber"), ["CU-0001", "CU-0002"]);
    let number = undelivered[0]["InvoiceNumber"].as_str().unwrap();
    home.run(&["invoices", "pdf", number]).exits(1);
    home.run(&["invoices", "xml", number]).exits(0);
    home.json(&["invoices", "markdelivered", number, "--note", "as XML"]);
    assert_eq!(home.json(&["invoices", "--state", "undelivered"]).as_array().unwrap().len(), 1);
    home.run(&["verify"]).exits(0);
}

/// Two payers who do not pay are reminded on the day after the due date.
fn reminded() -> Value {
    let mut book = addressed(&["slow1@kunde.example", "slow2@kunde.example"]);
    for customer in book["customers"].as_array_mut().unwrap() {
        customer["paymentmethods"] = json!([]);
    }
    book["dunningpolicies"] = json!([{"refkey": "mild", "default": true, "manual": true,
                                      "steps": [{"days": 1, "action": "mail"}]}]);
    book
}

#[test]
fn three_processes_at_once_send_each_reminder_once() {
    let relay = Relay::start();
    let home = Home::new();
    home.load(&reminded());
    through(&home, relay.port, &["run", "--as-of", "2026-01-01"]).exits(0);
    three_at_once(&relay, || home.command(&["payments", "retry", "--as-of", "2026-01-16"]));
    let home = PgHome::new();
    let relay = Relay::start();
    let book = home.home.file("book.json", reminded().to_string());
    home.json(&["load", book.to_str().unwrap()]);
    to_relay(&mut home.command(&["run", "--as-of", "2026-01-01"]), relay.port).output().unwrap();
    three_at_once(&relay, || home.command(&["payments", "retry", "--as-of", "2026-01-16"]));
}

fn three_at_once(relay: &Relay, retry: impl Fn() -> std::process::Command) {
    let before = relay.arrived().len();
    assert_eq!(before, 2, "the invoices");
    let mut children: Vec<_> = (0..3).map(|_| to_relay(&mut retry(), relay.port).spawn().unwrap()).collect();
    for child in &mut children {
        child.wait().unwrap();
    }
    assert_eq!(relay.arrived().len(), before + 2, "each reminder once");
}

#[test]
fn a_gap_in_the_tax_rules_sets_the_payer_aside_in_run_preview_and_simulate() {
    let home = Home::new();
    let mut book = book(2);
    book["customers"][1]["country"] = json!("DE");
    book["customers"][1]["companyvat"] = json!("DE136695976");
    let gap = "no tax rule matches DE, business, 2026-01-01";
    home.load(&book);
    assert!(codes(&home.run(&["--json", "doctor"]).json(), "findings").contains(&"no_tax_rule".to_owned()));
    let preview = home.run(&["--json", "run", "--preview", "--as-of", "2026-01-01"]).exits(3).json();
    assert_eq!((preview["invoiced"].as_u64(), preview["parked"].as_u64()), (Some(1), Some(1)), "{preview:#}");
    let run = home.run(&["--json", "run", "--as-of", "2026-01-01"]).exits(3).json();
    assert_eq!(run["hash"], preview["hash"]);
    let shown = home.run(&["--json", "runs", "show", "1"]).json();
    assert!(shown["aside"].to_string().contains(gap), "{shown:#}");
    let scenario = json!({"book": book, "timeline": [{"on": "2026-01-01", "run": {}}]});
    let scenario = home.file("scenario.json", scenario.to_string());
    let simulated = home.run(&["simulate", scenario.to_str().unwrap()]).exits(0).stdout;
    assert!(simulated.contains(gap), "{simulated}");

    // With a rule the next run bills the payer; a seller without a VAT number had no gap.
    book["taxrules"].as_array_mut().unwrap().push(json!({"fullname": "EU", "country": "*", "state": "*",
        "ruletype": "business", "priority": 5, "taxpct": "0", "category": "AE", "reason": "Reverse charge"}));
    home.load(&book);
    home.json(&["run", "--as-of", "2026-01-02"]);
    let invoices = home.json(&["invoices", "--customer", "CU-0002"]);
    assert_eq!(invoices[0]["TotalVat"], "0.00");
}

#[test]
fn what_is_no_vat_number_or_address_is_refused_and_a_draft_is_warned_of() {
    let home = Home::new();
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut book = book(1);
        change(&mut book);
        let path = home.file("wrong.json", book.to_string());
        home.run(&["--json", "load", path.to_str().unwrap()]).exits(1).error()["faults"].to_string()
    };
    for word in ["NONE", "N/A", "NULL", "UNKNOWN", "DEXXXX"] {
        for place in ["/tenant/companyvat", "/customers/0/companyvat"] {
            let (object, field) = place.rsplit_once('/').unwrap();
            let faults = refused(&|book| book.pointer_mut(object).unwrap()[field] = json!(word));
            assert!(faults.contains(place) && faults.contains("is not a VAT number"), "{word}: {faults}");
        }
    }
    let faults =
        refused(&|book| book["customers"][0]["contacts"][0]["primaryemail"] = json!("a..b@buyer.example"));
    assert!(faults.contains("/customers/0/contacts/0/primaryemail"), "{faults}");

    let mut draft = book(1);
    draft["subscriptions"][0].as_object_mut().unwrap().remove("status");
    let warned = home.load(&draft);
    assert_eq!(codes(&warned, "warnings"), ["draft_subscription"], "{warned:#}");
    let doctor = home.run(&["--json", "doctor"]).exits(3).json();
    assert_eq!(codes(&doctor, "findings"), ["draft_subscription"], "{doctor:#}");
}

#[test]
fn a_payment_method_that_nobody_charges_is_warned_of() {
    let home = Home::new();
    let mut lost = book(1);
    lost["customers"][0]["paymentmethods"] = json!([{"refkey": "card", "type": "token", "gateway": "adyen", "token": "tok_1", "makedefault": true}]);
    let warned = home.load(&lost);
    assert_eq!(codes(&warned, "warnings"), ["no_gateway"], "{warned:#}");
    let doctor = home.run(&["--json", "doctor"]).exits(3).json();
    assert_eq!(codes(&doctor, "findings"), ["no_gateway"], "{doctor:#}");
    lost["customers"][0]["paymentmethods"][0]["gateway"] = json!("sandbox");
    assert_eq!(codes(&home.load(&lost), "warnings"), Vec::<String>::new());
}

#[test]
fn a_login_goes_out_over_tls_or_to_this_machine() {
    let home = Home::new();
    home.load(&book(1));
    let with = |host: &str, tls: Option<&str>| {
        let mut command = home.command(&["--json", "config"]);
        command
            .env("TALLYBOOK_MAIL_TRANSPORT", "smtp")
            .env("TALLYBOOK_MAIL_USER", "u")
            .env("TALLYBOOK_MAIL_HOST", host);
        tls.map(|tls| command.env("TALLYBOOK_MAIL_TLS", tls));
        crate::support::answer(command.output().unwrap())
    };
    let refused = with("relay.example", Some("none")).exits(1);
    assert!(refused.error().to_string().contains("mail.tls"), "{refused:?}");
    for (host, tls) in [
        ("relay.example", None),
        ("relay.example", Some("tls")),
        ("127.0.0.1", Some("none")),
        ("::1", Some("none")),
    ] {
        with(host, tls).exits(0);
    }
    // A relay without STARTTLS gets no password: the mail waits.
    let relay = Relay::start();
    let mut run = home.command(&["--json", "run", "--as-of", "2026-01-01"]);
    to_relay(&mut run, relay.port).env("TALLYBOOK_MAIL_USER", "u").env("TALLYBOOK_MAIL_PASSWORD", "secret");
    crate::support::answer(run.output().unwrap());
    let waits = home.json(&["mails"]);
    assert!(waits[0]["reason"].as_str().unwrap().contains("STARTTLS"), "{waits}");
}
