//! The steps of a scenario as they are typed, each on its day.

use crate::support::answer as answered;
use crate::support::bank_files;
use crate::support::books::Books;
use serde_json::{Map, Value, json};

/// Plays a scenario in a home. `answer` is what memory made of it: it has the numbers of invoices that steps name by their place.
pub fn play(books: &Books, scenario: &Value, answer: &Value) {
    let file = books.file("book.json", scenario["book"].to_string());
    books.json(&["load", &file]);
    for step in scenario["timeline"].as_array().unwrap() {
        let typed =
            Typed { books, step: step.as_object().unwrap(), day: step["on"].as_str().unwrap(), answer };
        typed.step();
    }
}

struct Typed<'a> {
    books: &'a Books,
    step: &'a Map<String, Value>,
    day: &'a str,
    answer: &'a Value,
}

impl Typed<'_> {
    /// Types a command on the day of the step.
    #[track_caller]
    fn run(&self, words: &[&str]) -> Value {
        let mut command = self.books.command(&[&["--json"], words].concat());
        command.env("TALLYBOOK_NOW", format!("{}T12:00:00Z", self.day));
        let done = answered(command.output().unwrap());
        assert!(done.code == 0 || done.code == 3, "{words:?}: {done:?}");
        done.json()
    }

    fn run_all(&self, words: &[String]) {
        self.run(&words.iter().map(String::as_str).collect::<Vec<&str>>());
    }

    fn text(&self, name: &str) -> &str {
        self.step[name].as_str().unwrap()
    }

    /// `--name value` for each of these that the step says.
    fn flags(&self, names: &[&str]) -> Vec<String> {
        let flag = |name: &&str| {
            let value = self.step.get(*name)?;
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            Some([format!("--{name}"), value])
        };
        names.iter().filter_map(flag).flatten().collect()
    }

    fn step(&self) {
        let has = |name: &str| self.step.contains_key(name);
        if has("run") {
            self.bill();
        } else if has("runs") {
            self.of_run();
        } else if has("book") {
            self.of_book();
        } else if has("books") {
            self.run(&["books", self.text("books"), self.text("month")]);
        } else if has("payments") {
            self.of_payments();
        } else if has("invoices") {
            self.take_over();
        } else if has("subscriptions") {
            self.bulk();
        } else if has("discount") {
            let customer = self.text("customer");
            let code = self.text("discount");
            let named: &[&str] = if self.text("do") == "apply" { &[code] } else { &[] };
            let of = ["--customer", customer, "--on", self.day];
            self.run(&[&["discounts", self.text("do")], named, &of].concat());
        } else if has("invoice") {
            self.of_invoice();
        } else {
            self.of_subscription();
        }
    }

    fn bill(&self) {
        self.run(&["payments", "retry", "--as-of", self.day]);
        let review = self.step["run"]["review"] == true;
        let words = ["run", "--as-of", self.day, "--skip", "render,send"];
        self.run(&[&words[..], &["--review"][..usize::from(review)]].concat());
    }

    fn of_run(&self) {
        let (number, verb) = (self.step["runs"].to_string(), self.text("do"));
        let mut words = vec!["runs", verb, &number];
        words.extend(
            self.step.get("customer").iter().flat_map(|account| ["--customer", account.as_str().unwrap()]),
        );
        words.extend(["--failed"].iter().filter(|_| verb == "rerun"));
        words.extend(["--yes", "--rebill", "--as-of", self.day].iter().filter(|_| verb == "reverse"));
        self.run(&words);
    }

    fn of_book(&self) {
        let verb = self.text("book");
        let mut words = vec![
            "book".to_owned(),
            verb.to_owned(),
            self.text("kind").to_owned(),
            self.text("key").to_owned(),
        ];
        if let Some(patch) = self.step.get("patch") {
            words.extend(["--set".to_owned(), patch.to_string()]);
        }
        if let Some(document) = self.step.get("document") {
            words.extend(["--file".to_owned(), self.books.file("document.json", document.to_string())]);
        }
        self.run_all(&words);
    }

    fn of_payments(&self) {
        match self.text("payments") {
            "retry" => drop(self.run(&["payments", "retry", "--as-of", self.day])),
            "export" => {
                let words = ["payments", "export", "--as-of", self.day].map(str::to_owned);
                self.run_all(&[words.to_vec(), self.flags(&["until"])].concat());
            }
            "import" => self.import(),
            verb => {
                let payment = self.step.get("payment").map(Value::to_string);
                let words = ["payments".to_owned(), verb.to_owned()];
                let flags = self.flags(&["invoice", "customer", "amount"]);
                self.run_all(&[words.to_vec(), payment.into_iter().collect(), flags].concat());
            }
        }
    }

    /// What the bank says, as the files that it sends.
    fn import(&self) {
        let list = |name: &str| self.step.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
        let (entries, returned) = (list("entries"), list("returned"));
        let of_debits = entries.iter().chain(&returned).any(|entry| entry["debit"].is_string());
        let debits = if of_debits { self.debits() } else { Map::new() };
        let debit = |entry: &Value| {
            entry["debit"]
                .as_str()
                .map(|number| debits[number].as_str().unwrap().to_owned())
                .unwrap_or_default()
        };
        let mut told = String::new();
        for entry in &entries {
            told.push_str(&credited(entry, &debit(entry)));
        }
        for entry in &returned {
            let shown = self.run(&["invoices", "show", entry["debit"].as_str().unwrap()]);
            let is_pending = shown["PaymentStatus"] == 10 || shown["PaymentStatus"] == 15 || !is_paid(&shown);
            if is_pending {
                let path = self.books.file("pain002.xml", self.not_carried_out(entry, &debit(entry)));
                self.run(&["payments", "import", &path]);
            } else {
                told.push_str(&given_back(entry, &debit(entry), &shown));
            }
        }
        if !told.is_empty() {
            let path = self.books.file("camt053.xml", bank_files::statement("camt.053", &told));
            self.run(&["payments", "import", &path]);
        }
    }

    /// The names by which the bank knows the debits, by invoice: those of the newest file that has one.
    fn debits(&self) -> Map<String, Value> {
        let mut found = Map::new();
        for file in self.files() {
            for debit in file.split("<DrctDbtTxInf>").skip(1) {
                found.insert(within(debit, "Ustrd").to_owned(), json!(within(debit, "EndToEndId")));
            }
        }
        found
    }

    fn files(&self) -> Vec<String> {
        let mut paths = crate::support::files_below(&self.books.home().path().join("exports"), "xml");
        paths.sort();
        paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
    }

    fn not_carried_out(&self, entry: &Value, debit: &str) -> String {
        let files = self.files();
        let file = files.iter().find(|file| file.contains(debit)).unwrap();
        let (message, batch) = (within(file, "MsgId"), batch_of(file, debit));
        let code = entry["code"].as_str().unwrap();
        let on = entry["date"].as_str().unwrap();
        bank_files::rejected((message, batch, debit), code, on)
    }

    fn take_over(&self) {
        let columns = ["customer", "number", "date", "due", "amount", "vat"];
        let path = self.csv(&columns, &self.step["invoices"]);
        self.run(&["invoices", "takeover", &path, "--on", self.day]);
    }

    fn bulk(&self) {
        let path = self.csv(&["subscription", "charge", "amount"], &self.step["subscriptions"]);
        let words = ["subscriptions", "bulk", self.text("do"), &path, "--on", self.day].map(str::to_owned);
        self.run_all(&[words.to_vec(), self.flags(&["effective"])].concat());
    }

    fn csv(&self, columns: &[&str], rows: &Value) -> String {
        let mut text = format!("{}\n", columns.join(","));
        for row in rows.as_array().unwrap() {
            let cells: Vec<&str> =
                columns.iter().map(|column| row[*column].as_str().unwrap_or_default()).collect();
            text.push_str(&format!("{}\n", cells.join(",")));
        }
        self.books.file("rows.csv", text)
    }

    fn of_subscription(&self) {
        let named = match self.step.get("subscription") {
            Some(number) => number.as_str().unwrap().to_owned(),
            None => self.reference(),
        };
        let words = ["subscriptions", self.text("do"), &named, "--on", self.day].map(str::to_owned);
        let beside = ["on", "do", "subscription", "subscriptioncharge", "note"];
        let own: Vec<&str> =
            self.step.keys().map(String::as_str).filter(|name| !beside.contains(name)).collect();
        self.run_all(&[words.to_vec(), self.flags(&own)].concat());
    }

    /// The reference of the charge that the step names; its note says whose the charge is.
    fn reference(&self) -> String {
        let shown = self.run(&["subscriptions", "show", self.text("note")]);
        let charges = shown["charges"].as_array().unwrap();
        let named = charges.iter().find(|charge| charge["sku"] == self.text("subscriptioncharge"));
        named.unwrap_or_else(|| panic!("{shown}"))["referenceid"].as_str().unwrap().to_owned()
    }

    fn of_invoice(&self) {
        let verb = self.text("do");
        if verb == "create" {
            let path = self.books.file("own.json", self.step["invoice"].to_string());
            self.run(&["invoices", "create", &path]);
            return;
        }
        let mut words = vec!["invoices".to_owned(), verb.to_owned(), self.invoice()];
        let day = match verb {
            "credit" | "recharge" | "book" => Some("--as-of"),
            "markpaid" | "refund" | "writeoff" | "markdelivered" => Some("--on"),
            _ => None,
        };
        let dated = self.step.get("date").map_or(self.day, |date| date.as_str().unwrap());
        words.extend(day.into_iter().flat_map(|flag| [flag.to_owned(), dated.to_owned()]));
        if verb == "edit" {
            let mut edit = self.step.clone();
            edit.retain(|name, _| ["reference", "paymentterm", "lines"].contains(&name.as_str()));
            words.push(self.books.file("edit.json", Value::Object(edit).to_string()));
        } else {
            words.extend(self.flags(&["amount"]));
            for line in self.step.get("lines").and_then(Value::as_array).into_iter().flatten() {
                words.extend([
                    "--line".to_owned(),
                    format!("{}={}", line["line"], line["amount"].as_str().unwrap()),
                ]);
            }
        }
        self.run_all(&words);
    }

    /// The number of the invoice that the step names by its place; the id of the one draft there is, if it is one.
    fn invoice(&self) -> String {
        let place = usize::try_from(self.step["invoice"].as_u64().unwrap()).unwrap();
        let verb = self.text("do");
        if ["edit", "book", "cancel"].contains(&verb) {
            let drafts = self.run(&["invoices", "--state", "draft"]);
            let drafts = drafts.as_array().unwrap();
            assert_eq!(drafts.len(), 1, "{drafts:#?}");
            return drafts[0]["ID"].as_str().unwrap().to_owned();
        }
        self.answer["invoices"][place - 1]["InvoiceNumber"].as_str().unwrap().to_owned()
    }
}

fn is_paid(invoice: &Value) -> bool {
    invoice["PaymentStatus"] == 20
}

/// What stands in the first element of this name.
fn within<'x>(xml: &'x str, tag: &str) -> &'x str {
    xml.split(&format!("<{tag}>")).nth(1).unwrap().split('<').next().unwrap()
}

/// The batch of a file in which a debit is.
fn batch_of<'x>(file: &'x str, debit: &str) -> &'x str {
    let batch =
        file.split("<PmtInf>").find(|batch| batch.contains(debit) && batch.contains("PmtInfId")).unwrap();
    within(batch, "PmtInfId")
}

/// Money that came, for a debit or with what its payer wrote.
fn credited(entry: &Value, debit: &str) -> String {
    let text = |name: &str| entry[name].as_str().unwrap_or_default();
    if !debit.is_empty() {
        return bank_files::credited(text("amount"), debit, text("id"), text("date"));
    }
    let [amount, currency, on, id] = ["amount", "currency", "date", "id"].map(text);
    let [name, words] = ["name", "text"].map(text);
    format!(
        "<Ntry><Amt Ccy=\"{currency}\">{amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>{on}</Dt></BookgDt>\
         <AcctSvcrRef>{id}</AcctSvcrRef><NtryDtls><TxDtls><RltdPties><Dbtr><Pty><Nm>{name}</Nm></Pty></Dbtr></RltdPties>\
         <RmtInf><Ustrd>{words}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>"
    )
}

/// The bank takes the debit and its fee.
fn given_back(entry: &Value, debit: &str, invoice: &Value) -> String {
    let minor = |value: &Value| -> i64 {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        text.replace('.', "").parse().unwrap()
    };
    let amount = minor(&invoice["TotalAmount"]) + entry["fee"].as_str().map_or(0, |fee| minor(&json!(fee)));
    let (code, on) = (entry["code"].as_str().unwrap(), entry["date"].as_str().unwrap());
    bank_files::given_back(&format!("{}.{:02}", amount / 100, amount % 100), debit, code, on)
}
