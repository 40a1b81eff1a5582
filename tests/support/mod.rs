//! A home of its own for each test, and the built program run in it as a user would.

pub mod bank_files;
pub mod books;
pub mod bucket;
pub mod http;
pub mod postgres;
pub mod tls;

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A temporary home; goes away with the value.
pub struct Home {
    folder: tempfile::TempDir,
}

/// What a command answered.
#[derive(Debug)]
pub struct Answer {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    /// Standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("not JSON ({e}): {self:?}"))
    }

    /// The `error` object of a refusal given with `--json`.
    pub fn error(&self) -> Value {
        let value: Value =
            serde_json::from_str(&self.stderr).unwrap_or_else(|e| panic!("not JSON ({e}): {self:?}"));
        value["error"].clone()
    }

    /// Insists on an exit code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self
    }
}

impl Home {
    /// A fresh, empty home.
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// The home folder.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// A file beside the home folder.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// The program, not yet started.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tallybook"));
        command
            .arg("--home")
            .arg(self.path())
            .args(args)
            .env_remove("TALLYBOOK_HOME")
            .env_remove("TALLYBOOK_DATABASE_URL")
            // The days of the tests are past or to come, whenever they run.
            .env("TALLYBOOK_BOUNDS_DAYS_AHEAD", "36500")
            // What can be written is to depend on no machine.
            .env("TALLYBOOK_DOCUMENTS_FONTS", "/dev/null")
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, args: &[&str]) -> Answer {
        answer(self.command(args).output().unwrap())
    }

    /// Runs a command with `--json` and insists on exit code 0.
    #[track_caller]
    pub fn json(&self, args: &[&str]) -> Value {
        let mut all = vec!["--json"];
        all.extend(args);
        self.run(&all).exits(0).json()
    }

    /// Loads a book given as JSON.
    #[track_caller]
    pub fn load(&self, book: &Value) -> Value {
        let path = self.file("book.json", book.to_string());
        self.json(&["load", path.to_str().unwrap()])
    }

    /// Ingests CSV text under a file name.
    #[track_caller]
    pub fn ingest(&self, name: &str, text: &str) -> Answer {
        let path = self.file(name, text);
        self.run(&["--json", "ingest", path.to_str().unwrap()])
    }
}

/// The parts of a finished process.
pub fn answer(output: Output) -> Answer {
    Answer {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Every file below a folder with this ending, in path order.
pub fn files_below(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Runs another program and insists that it succeeds; the counterparts that `scripts/test` installs.
#[track_caller]
pub fn counterpart(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|e| panic!("{program}: {e}; `./scripts/test` installs it"));
    assert!(
        output.status.success(),
        "{program} {args:?}: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Where the packages of Node that tests use are: beside the compiler that is one of them.
pub fn node_modules() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("tsc")).find(|tsc| tsc.exists());
    let found = found.unwrap_or_else(|| panic!("no tsc in the path; `./scripts/test` installs it"));
    found.canonicalize().unwrap().ancestors().nth(3).unwrap().to_owned()
}

/// A folder of the shared data beside the checkout, if this machine has it.
pub fn shared(part: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared").join(part);
    path.exists().then_some(path)
}

/// A small book: one Danish seller, plan PRO (base fee 199.00 in advance, API calls tiered in arrears), and
/// `customers` customers with one subscription each from 2026-01-01.
pub fn book(customers: usize) -> Value {
    let mut book = serde_json::json!({
        "tenant": {"fullname": "Nordlys Cloud ApS", "companyvat": "DK10000009", "currencycode": "DKK", "timezone": "Europe/Copenhagen",
                   "paymentterm": 14, "addressline1": "Havnegade 1", "postalcode": "1058", "city": "København", "country": "DK",
                   "email": "billing@nordlys.example"},
        "taxrules": [{"fullname": "DK VAT", "country": "DK", "state": "*", "ruletype": "*", "priority": 10, "taxpct": "25", "category": "S"}],
        "uoms": [{"refkey": "call", "fullname": "call"}],
        "productplans": [{
            "sku": "PRO", "fullname": "Pro", "currencycode": "DKK", "currencies": ["DKK"], "changehandle": 0,
            "charges": [
                {"sku": "PRO-BASE", "anchorcode": "base", "fullname": "Base fee", "invoicetext": "Pro subscription", "chargetype": "recurring",
                 "pricingmodel": "flat", "billingperiod": "monthly", "billingperiodalignment": "subscription_start",
                 "defaultamount": "1", "taxable": true, "pricings": [{"currencycode": "DKK", "price": "199.00"}]},
                {"sku": "PRO-API", "anchorcode": "api", "fullname": "API calls", "chargetype": "usage", "meter": "api_calls", "uom": "call",
                 "usagedatacalculationtype": "sum", "pricingmodel": "tiered", "billingperiod": "monthly",
                 "billingperiodalignment": "period_end", "taxable": true,
                 "pricings": [{"currencycode": "DKK", "segment": 1, "tierto": "1000", "price": "0"},
                              {"currencycode": "DKK", "segment": 2, "price": "0.05"}]}]}],
        "customers": [], "subscriptions": []
    });
    for n in 1..=customers {
        book["customers"].as_array_mut().unwrap().push(serde_json::json!({
            "accountnumber": format!("CU-{n:04}"), "fullname": format!("Kunde {n}"), "currencycode": "DKK", "autobill": true,
            "country": "DK", "addressline1": format!("Torvet {n}"), "postalcode": "8000", "city": "Aarhus",
            "contacts": [{"fullname": "Bogholder", "contacttype": ["invoice", "einvoice"], "gln": "5790000435951",
                          "primaryemail": format!("bogholder@kunde{n}.example")}],
            "paymentmethods": [{"refkey": "card", "type": "token", "gateway": "sandbox", "token": "tok_ok", "makedefault": true}]
        }));
        book["subscriptions"].as_array_mut().unwrap().push(serde_json::json!({
            "subscriptionnumber": format!("SUB-{n:04}"), "customer": format!("CU-{n:04}"), "productplan": "PRO",
            "startdate": "2026-01-01", "status": "active", "autorenew": true
        }));
    }
    book
}

/// Usage of January 2026 for [`book`]: 1300 calls per customer in two events each.
pub fn january(customers: usize) -> String {
    let mut text = String::from("id,subject,meter,quantity,time\n");
    for n in 1..=customers {
        text.push_str(&format!("a{n},SUB-{n:04},api_calls,1000,2026-01-10T10:00:00Z\n"));
        text.push_str(&format!("b{n},SUB-{n:04},api_calls,300,2026-01-20T10:00:00Z\n"));
    }
    text
}
