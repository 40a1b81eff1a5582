//! Direct debits for the bank (pain.008 of ISO 20022), with as little as the rule books ask for. The same values give the same
//! bytes.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use domain::direct_debit::{Scheme, Sequence, bank_letters};
use domain::money::{Currency, Money};
use std::fmt::Write;

/// Longest name, and longest text that the debtor reads.
const NAME_MAX: usize = 70;
const WORDS_MAX: usize = 140;

/// Which form of the message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Version {
    /// pain.008.001.02, which some banks still ask for.
    V02,
    /// pain.008.001.08.
    #[default]
    V08,
}

impl Version {
    /// The word in tables: `08`.
    pub fn name(self) -> &'static str {
        match self {
            Self::V02 => "02",
            Self::V08 => "08",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::V02, Self::V08].into_iter().find(|version| version.name() == word)
    }

    fn bic(self) -> &'static str {
        match self {
            Self::V02 => "BIC",
            Self::V08 => "BICFI",
        }
    }
}

/// A whole file.
#[derive(Debug, Clone)]
pub struct DebitFile<'a> {
    pub version: Version,
    pub message: &'a str,
    pub created_at: DateTime<Utc>,
    pub creditor: Creditor<'a>,
    /// By batch: those of one follow one another.
    pub debits: Vec<Debit<'a>>,
}

/// Who fetches the money.
#[derive(Debug, Clone, Copy)]
pub struct Creditor<'a> {
    pub name: &'a str,
    pub iban: &'a str,
    pub bic: Option<&'a str>,
    /// The creditor identifier.
    pub id: &'a str,
}

/// One debit.
#[derive(Debug, Clone, Copy)]
pub struct Debit<'a> {
    /// Its batch, by the name that the bank books it under.
    pub batch: &'a str,
    pub collect_on: NaiveDate,
    pub scheme: Scheme,
    pub sequence: Sequence,
    /// Comes back with every answer.
    pub end_to_end: &'a str,
    /// Euro cents, above 0.
    pub amount_minor: i64,
    pub mandate: &'a str,
    pub signed_on: NaiveDate,
    pub name: &'a str,
    pub iban: &'a str,
    pub bic: Option<&'a str>,
    pub words: &'a str,
}

/// The bytes of a file.
pub fn write(file: &DebitFile<'_>) -> Vec<u8> {
    let mut xml = Xml::default();
    xml.text.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let version = file.version.name();
    let _ = writeln!(xml.text, "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:pain.008.001.{version}\">");
    xml.open("CstmrDrctDbtInitn");
    xml.open("GrpHdr");
    xml.leaf("MsgId", file.message);
    xml.leaf("CreDtTm", &file.created_at.to_rfc3339_opts(SecondsFormat::Secs, true));
    totals(&mut xml, &file.debits);
    xml.open("InitgPty");
    xml.leaf("Nm", &bank_letters(file.creditor.name, NAME_MAX));
    xml.close("InitgPty");
    xml.close("GrpHdr");
    for batch in file.debits.chunk_by(|a, b| a.batch == b.batch) {
        write_batch(&mut xml, file, batch);
    }
    xml.close("CstmrDrctDbtInitn");
    xml.text.push_str("</Document>\n");
    xml.text.into_bytes()
}

fn totals(xml: &mut Xml, debits: &[Debit<'_>]) {
    let sum: i64 = debits.iter().map(|debit| debit.amount_minor).sum();
    xml.leaf("NbOfTxs", &debits.len().to_string());
    xml.leaf("CtrlSum", &euros(sum));
}

fn euros(minor: i64) -> String {
    Money::new(minor, Currency::EUR).decimal().to_string()
}

fn write_batch(xml: &mut Xml, file: &DebitFile<'_>, debits: &[Debit<'_>]) {
    let Some(first) = debits.first() else { return };
    let creditor = file.creditor;
    xml.open("PmtInf");
    xml.leaf("PmtInfId", first.batch);
    xml.leaf("PmtMtd", "DD");
    xml.leaf("BtchBookg", "true");
    totals(xml, debits);
    xml.open("PmtTpInf");
    xml.within("SvcLvl", "Cd", "SEPA");
    xml.within("LclInstrm", "Cd", first.scheme.code());
    xml.leaf("SeqTp", first.sequence.code());
    xml.close("PmtTpInf");
    xml.leaf("ReqdColltnDt", &first.collect_on.to_string());
    xml.within("Cdtr", "Nm", &bank_letters(creditor.name, NAME_MAX));
    account(xml, "CdtrAcct", creditor.iban);
    agent(xml, "CdtrAgt", file.version, creditor.bic);
    xml.leaf("ChrgBr", "SLEV");
    for tag in ["CdtrSchmeId", "Id", "PrvtId", "Othr"] {
        xml.open(tag);
    }
    xml.leaf("Id", creditor.id);
    xml.within("SchmeNm", "Prtry", "SEPA");
    for tag in ["Othr", "PrvtId", "Id", "CdtrSchmeId"] {
        xml.close(tag);
    }
    for debit in debits {
        write_debit(xml, file.version, debit);
    }
    xml.close("PmtInf");
}

fn write_debit(xml: &mut Xml, version: Version, debit: &Debit<'_>) {
    xml.open("DrctDbtTxInf");
    xml.within("PmtId", "EndToEndId", debit.end_to_end);
    let amount = euros(debit.amount_minor);
    let _ = writeln!(xml.text, "{}<InstdAmt Ccy=\"EUR\">{amount}</InstdAmt>", "  ".repeat(xml.depth + 1));
    xml.open("DrctDbtTx");
    xml.open("MndtRltdInf");
    xml.leaf("MndtId", debit.mandate);
    xml.leaf("DtOfSgntr", &debit.signed_on.to_string());
    xml.close("MndtRltdInf");
    xml.close("DrctDbtTx");
    agent(xml, "DbtrAgt", version, debit.bic);
    xml.within("Dbtr", "Nm", &bank_letters(debit.name, NAME_MAX));
    account(xml, "DbtrAcct", debit.iban);
    xml.within("RmtInf", "Ustrd", &bank_letters(debit.words, WORDS_MAX));
    xml.close("DrctDbtTxInf");
}

fn account(xml: &mut Xml, tag: &str, iban: &str) {
    xml.open(tag);
    xml.within("Id", "IBAN", iban);
    xml.close(tag);
}

/// The bank; within the SEPA the IBAN says it, and a BIC need not.
fn agent(xml: &mut Xml, tag: &str, version: Version, bic: Option<&str>) {
    xml.open(tag);
    match bic {
        Some(bic) => xml.within("FinInstnId", version.bic(), bic),
        None => {
            xml.open("FinInstnId");
            xml.within("Othr", "Id", "NOTPROVIDED");
            xml.close("FinInstnId");
        }
    }
    xml.close(tag);
}

#[derive(Default)]
struct Xml {
    text: String,
    depth: usize,
}

impl Xml {
    fn open(&mut self, tag: &str) {
        let _ = writeln!(self.text, "{}<{tag}>", "  ".repeat(self.depth + 1));
        self.depth += 1;
    }

    fn close(&mut self, tag: &str) {
        self.depth -= 1;
        let _ = writeln!(self.text, "{}</{tag}>", "  ".repeat(self.depth + 1));
    }

    fn leaf(&mut self, tag: &str, value: &str) {
        let value = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let _ = writeln!(self.text, "{}<{tag}>{value}</{tag}>", "  ".repeat(self.depth + 1));
    }

    fn within(&mut self, outer: &str, tag: &str, value: &str) {
        self.open(outer);
        self.leaf(tag, value);
        self.close(outer);
    }
}
