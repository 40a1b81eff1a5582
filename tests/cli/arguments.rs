//! An argument whose value is not known is refused, with what would have been right: a list that is empty because a name was
//! misspelt would look like good news.

use crate::support::{Home, book, january};
use serde_json::{Value, json};

/// Commands with the code of their refusal and what its message or hint must name.
const REFUSED: &[(&[&str], &str, &str)] = &[
    (&["subscriptions", "--state", "actve"], "usage", "active"),
    (&["subscriptions", "--state", "nonsense"], "usage", "pending_ending"),
    (&["subscriptions", "--customer", "CU-9"], "unknown_customer", "book list customer"),
    (&["invoices", "--state", "opn"], "usage", "open"),
    (&["invoices", "--customer", "CU-9"], "unknown_customer", "book list customer"),
    (&["invoices", "--state", "draft", "--customer", "CU-9"], "unknown_customer", "book list customer"),
    (&["invoices", "--run", "99"], "unknown_run", "99"),
    (&["mails", "--state", "waitin"], "usage", "waiting"),
    (&["mails", "--customer", "CU-9"], "unknown_customer", "book list customer"),
    (&["payers", "CU-9"], "unknown_customer", "book list customer"),
    (&["discounts", "apply", "NONE-1", "--customer", "CU-9"], "unknown_customer", "book list customer"),
    (&["audit", "--object", "rnu 1"], "unknown_kind", "run 1"),
    (&["audit", "--object", "INV-0000001"], "unknown_kind", "invoice INV-0000007"),
    (&["book", "list", "custmer"], "unknown_kind", "customer"),
    (&["book", "list", "customer", "--status", "activ"], "usage", "active"),
    (&["run", "--skip", "colect"], "usage", "collect"),
    (&["run", "--customer", "CU-9"], "unknown_customer", "CU-9"),
    (&["run", "--business-unit", "nowhere"], "unknown_business_unit", "nowhere"),
    (&["runs", "report", "1", "--format", "htm"], "usage", "html"),
    (&["export", "ledger", "--format", "hledgr"], "unknown_format", "hledger"),
    (&["subscriptions", "cancel", "SUB-0001", "--option", "sometime"], "bad_argument", "on_date"),
    (&["subscriptions", "hold", "SUB-0001", "--refund", "all"], "bad_argument", "prorated"),
    (
        &["subscriptions", "switchplan", "SUB-0001", "--plan", "PRO", "--when", "later"],
        "bad_argument",
        "next_charge",
    ),
    (&["completions", "fsh"], "usage", "fish"),
    (&["man", "invoics"], "", "invoices"),
    (&["why", "INV-9"], "unknown_id", "INV-9"),
    (&["doctor", "--since", "soon"], "usage", "soon"),
];

#[test]
fn an_argument_that_is_not_known_is_refused_with_what_would_be_right() {
    let home = Home::new();
    home.load(&book(2));
    home.ingest("usage.csv", &january(2));
    home.json(&["run", "--as-of", "2026-02-01", "--skip", "render,send"]);
    let mut wrong = Vec::new();
    for (args, code, named) in REFUSED {
        let answer = home.run(&[&["--json"], *args].concat());
        let error: Value = serde_json::from_str(&answer.stderr).unwrap_or_default();
        let is_code = code.is_empty() || error["error"]["code"] == *code;
        if answer.code != 1 || !is_code || !answer.stderr.contains(named) {
            wrong.push(format!("{args:?}: {answer:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_is_known_and_has_nothing_gives_an_empty_list() {
    let home = Home::new();
    home.load(&book(2));
    for args in [
        &["invoices", "--customer", "CU-0001"][..],
        &["mails", "--customer", "CU-0001"],
        &["subscriptions", "--state", "Hold"],
        &["audit", "--object", "run 7"],
    ] {
        assert_eq!(home.json(args), json!([]), "{args:?}");
    }
}
