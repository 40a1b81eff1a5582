//! Account statements (camt.053) and notifications (camt.054) of ISO 20022, of any version from .02 on. Sums that the bank
//! gives are compared with the entries, so that half a file is not taken for a whole one.

use crate::xml::{self, Element};
use crate::{BankFile, BankFileError, ENTRIES_MAX, Format, pain002};
use chrono::{DateTime, NaiveDate};
use domain::Decimal;
use domain::Uuid;
use domain::bank::{EntryIds, Received};
use domain::direct_debit::{DebitMark, GivenBack};
use domain::invoice::account::minor;
use domain::money::{Currency, Total};

const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:camt.";
const REPORT: &str = "urn:iso:std:iso:20022:tech:xsd:pain.002.";

/// Reads a statement, a notification, or a report of debits.
pub(crate) fn read(bytes: &[u8]) -> Result<BankFile, BankFileError> {
    let root = xml::parse(bytes)?;
    let kind = root.namespace.as_deref().and_then(|space| space.strip_prefix(NAMESPACE)).unwrap_or_default();
    let (format, parts): (Format, Vec<&Element>) = match kind.get(..3) {
        Some("053") => (Format::Camt053, of(&root, "BkToCstmrStmt", "Stmt")),
        Some("054") => (Format::Camt054, of(&root, "BkToCstmrDbtCdtNtfctn", "Ntfctn")),
        _ if root.namespace.as_deref().is_some_and(|space| space.starts_with(REPORT)) => {
            return pain002::read(&root);
        }
        _ => {
            let what = root.namespace.as_deref().unwrap_or("no namespace");
            return Err(BankFileError::Unsupported(format!(
                "<{}> of {what} is not camt.053, camt.054 or pain.002",
                root.name
            )));
        }
    };
    if parts.is_empty() {
        return Err(BankFileError::Damaged("it has no statement".to_owned()));
    }
    let mut reading = Reading { file: BankFile::new(format), ids: EntryIds::default() };
    for part in parts {
        reading.part(part)?;
    }
    Ok(reading.file)
}

fn of<'e>(root: &'e Element, message: &'e str, part: &'e str) -> Vec<&'e Element> {
    root.all(message).flat_map(|message| message.all(part)).collect()
}

struct Reading {
    file: BankFile,
    ids: EntryIds,
}

/// What money an amount is: credits above 0, debits below.
#[derive(Clone, Copy)]
struct Signed {
    minor: i64,
    currency: Currency,
}

impl Reading {
    fn part(&mut self, part: &Element) -> Result<(), BankFileError> {
        let account = part.text("Acct/Id/IBAN").or(part.text("Acct/Id/Othr/Id")).unwrap_or_default();
        let mut booked = Vec::new();
        for (place, entry) in part.all("Ntry").enumerate() {
            let place = EntryPlace { account, number: place + 1 };
            let amount = place.signed(entry)?;
            booked.push((amount, is_booked(entry)));
            if is_booked(entry) {
                self.entry(entry, amount, &place)?;
            } else {
                self.file.passed_by.pending += 1;
            }
            if self.file.received.len() + self.file.given_back.len() > ENTRIES_MAX {
                return Err(BankFileError::TooMany);
            }
        }
        check_totals(part, &booked)?;
        check_balances(part, &booked)
    }

    /// Money that came, alone or one payment of many in one sum.
    fn entry(
        &mut self,
        entry: &Element,
        amount: Signed,
        place: &EntryPlace<'_>,
    ) -> Result<(), BankFileError> {
        let details: Vec<&Element> = entry.all("NtryDtls").flat_map(|d| d.all("TxDtls")).collect();
        if amount.minor <= 0 {
            return self.went_out(entry, amount, place, &details);
        }
        let in_batch = entry.text("NtryDtls/Btch/NbOfTxs").and_then(|n| n.parse::<u32>().ok()).unwrap_or(0);
        let batch = entry.text("NtryDtls/Btch/PmtInfId").or(entry.text("NtryDtls/Btch/MsgId"));
        let booked_on = place.day(entry)?;
        if details.is_empty() && in_batch > 1 {
            self.file.passed_by.batches += 1;
            self.sum(entry, amount, (place.account, booked_on), batch);
            return Ok(());
        }
        let bank_reference = |detail: Option<&Element>| {
            let own = detail.and_then(|d| d.text("Refs/AcctSvcrRef").or(d.text("Refs/TxId")));
            own.or_else(|| entry.text("AcctSvcrRef").filter(|_| details.len() < 2)).map(str::to_owned)
        };
        let mut whole: i128 = 0;
        let each: Vec<Option<&Element>> =
            if details.is_empty() { vec![None] } else { details.iter().copied().map(Some).collect() };
        for detail in &each {
            let own = match detail.and_then(|d| d.at("Amt").or(d.at("AmtDtls/TxAmt/Amt"))) {
                Some(own) if details.len() > 1 => place.amount(own)?,
                _ if details.len() > 1 => return Err(place.damaged("a payment of it has no amount")),
                _ => Signed { minor: amount.minor, currency: amount.currency },
            };
            if own.currency != amount.currency {
                return Err(place.damaged("its payments are in another currency than the entry"));
            }
            whole += i128::from(own.minor);
            let mut received = Received {
                id: Uuid::nil(),
                account: place.account.to_owned(),
                booked_on,
                amount_minor: own.minor,
                currency: own.currency,
                bank_reference: bank_reference(*detail),
                ..said(entry, *detail)
            };
            if received.amount_minor <= 0 {
                return Err(place.damaged("a payment of it is not above 0"));
            }
            self.ids.give(&mut received);
            let end_to_end = detail.and_then(|detail| detail.text("Refs/EndToEndId"));
            let own = detail.and_then(|detail| detail.text("Refs/PmtInfId"));
            let batch = own.or(batch).filter(|_| each.len() == 1);
            let mark =
                DebitMark { end_to_end: end_to_end.map(str::to_owned), batch: batch.map(str::to_owned) };
            if !mark.is_empty() {
                self.file.marks.insert(received.id, mark);
            }
            self.file.received.push(received);
        }
        if whole != i128::from(amount.minor) {
            let told = |minor| Total::new(minor, amount.currency);
            let (whole, said) = (told(whole), told(i128::from(amount.minor)));
            return Err(place.damaged(&format!("its payments add up to {whole}, it says {said}")));
        }
        Ok(())
    }

    /// A sum whose payments the file does not name; it may be what a batch of debits has come to.
    fn sum(
        &mut self,
        entry: &Element,
        amount: Signed,
        (account, booked_on): (&str, NaiveDate),
        batch: Option<&str>,
    ) {
        let Some(batch) = batch else { return };
        let mut received = Received {
            account: account.to_owned(),
            booked_on,
            amount_minor: amount.minor,
            currency: amount.currency,
            bank_reference: entry.text("AcctSvcrRef").map(str::to_owned),
            ..said(entry, None)
        };
        self.ids.give(&mut received);
        let mark = DebitMark { end_to_end: None, batch: Some(batch.to_owned()) };
        self.file.marks.insert(received.id, mark);
        self.file.sums.push(received);
    }

    /// Money that went out: debits that came back, and what is passed by.
    fn went_out(
        &mut self,
        entry: &Element,
        amount: Signed,
        place: &EntryPlace<'_>,
        details: &[&Element],
    ) -> Result<(), BankFileError> {
        let family = entry.text("BkTxCd/Domn/Fmly/SubFmlyCd").unwrap_or_default();
        let is_return = |detail: &Element| detail.at("RtrInf").is_some() || matches!(family, "UPDD" | "PRDD");
        let back: Vec<&Element> = details.iter().copied().filter(|detail| is_return(detail)).collect();
        if back.len() < details.len() || back.is_empty() {
            self.file.passed_by.outgoing += 1;
        }
        for detail in back {
            let Some(end_to_end) = detail.text("Refs/EndToEndId") else {
                self.file.passed_by.outgoing += 1;
                continue;
            };
            let own = match detail.at("Amt").or(detail.at("AmtDtls/TxAmt/Amt")) {
                Some(own) if details.len() > 1 => place.amount(own)?,
                _ if details.len() > 1 => return Err(place.damaged("a debit of it has no amount")),
                _ => Signed { minor: -amount.minor, currency: amount.currency },
            };
            self.file.given_back.push(GivenBack {
                end_to_end: end_to_end.to_owned(),
                amount_minor: own.minor,
                currency: own.currency,
                code: detail.at("RtrInf/Rsn").and_then(Element::code),
                on: place.day(entry)?,
            });
        }
        Ok(())
    }
}

/// What the payer and the bank say of it.
fn said(entry: &Element, detail: Option<&Element>) -> Received {
    let text = |path: &str| detail.and_then(|d| d.text(path)).map(str::to_owned);
    let structured = |path: &'static str| {
        let strd = detail.and_then(|d| d.at("RmtInf")).into_iter().flat_map(|r| r.all("Strd"));
        strd.filter_map(move |s| s.text(path)).map(str::to_owned).next()
    };
    let unstructured = detail.and_then(|d| d.at("RmtInf")).into_iter().flat_map(|r| r.all("Ustrd"));
    let mut words: Vec<String> = unstructured.map(|u| u.own_text().to_owned()).collect();
    words.extend(structured("RfrdDocInf/Nb"));
    words.extend(structured("AddtlRmtInf"));
    if words.iter().all(String::is_empty) {
        words.extend(text("AddtlTxInf").or_else(|| entry.text("AddtlNtryInf").map(str::to_owned)));
    }
    Received {
        id: Uuid::nil(),
        account: String::new(),
        booked_on: NaiveDate::MIN,
        amount_minor: 0,
        // Set by the caller.
        currency: Currency::EUR,
        name: text("RltdPties/Dbtr/Nm").or_else(|| text("RltdPties/Dbtr/Pty/Nm")),
        from: text("RltdPties/DbtrAcct/Id/IBAN").or_else(|| text("RltdPties/DbtrAcct/Id/Othr/Id")),
        reference: structured("CdtrRefInf/Ref"),
        text: words.join(" ").trim().to_owned(),
        bank_reference: None,
    }
}

fn is_booked(entry: &Element) -> bool {
    matches!(entry.text("Sts/Cd").or(entry.text("Sts")), None | Some("BOOK"))
}

/// Where an entry stands, for messages.
struct EntryPlace<'a> {
    account: &'a str,
    /// From 1.
    number: usize,
}

impl EntryPlace<'_> {
    fn damaged(&self, why: &str) -> BankFileError {
        BankFileError::Damaged(format!("entry {} of account {}: {why}", self.number, self.account))
    }

    /// The amount of an entry: a debit, and a credit that is taken back, below 0.
    fn signed(&self, entry: &Element) -> Result<Signed, BankFileError> {
        let amount = entry.at("Amt").ok_or_else(|| self.damaged("it has no amount"))?;
        let Signed { minor, currency } = self.amount(amount)?;
        // A reversal says by itself which way its money went.
        let minor = match entry.text("CdtDbtInd") {
            Some("CRDT") => minor,
            Some("DBIT") => -minor,
            _ => return Err(self.damaged("it says neither CRDT nor DBIT")),
        };
        Ok(Signed { minor, currency })
    }

    fn amount(&self, element: &Element) -> Result<Signed, BankFileError> {
        let currency = element.attribute("Ccy").unwrap_or_default();
        let currency: Currency =
            currency.parse().map_err(|_| self.damaged(&format!("`{currency}` is no currency")))?;
        let text = element.own_text();
        amount_minor(text, currency)
            .map(|minor| Signed { minor, currency })
            .ok_or_else(|| self.damaged(&format!("`{text}` is no amount of {currency}")))
    }

    fn day(&self, entry: &Element) -> Result<NaiveDate, BankFileError> {
        let dates = [entry.at("BookgDt"), entry.at("ValDt")];
        let day = dates.into_iter().flatten().find_map(|date| {
            let day = date.text("Dt").and_then(|day| day.get(..10)).and_then(|day| day.parse().ok());
            day.or_else(|| DateTime::parse_from_rfc3339(date.text("DtTm")?).ok().map(|at| at.date_naive()))
                .or_else(|| date.text("DtTm")?.get(..10)?.parse().ok())
        });
        day.ok_or_else(|| self.damaged("it has no day"))
    }
}

/// Most minor units of one entry: what no bank moves at once, and no sum of ours runs over by.
const AMOUNT_MAX: i64 = 999_999_999_999_999;

/// Minor units of an amount of 0 or more.
pub(crate) fn amount_minor(text: &str, currency: Currency) -> Option<i64> {
    let amount: Decimal = text.parse().ok()?;
    let minor = if amount.is_zero() { 0 } else { minor(amount, currency).ok()? };
    (minor <= AMOUNT_MAX).then_some(minor)
}

/// The number and sums of entries that the bank gives agree with the entries.
fn check_totals(part: &Element, booked: &[(Signed, bool)]) -> Result<(), BankFileError> {
    let Some(totals) = part.at("TxsSummry") else { return Ok(()) };
    let place = EntryPlace { account: "", number: 0 };
    for (path, is_meant) in [
        ("TtlNtries", (|_| true) as fn(i64) -> bool),
        ("TtlCdtNtries", |minor| minor > 0),
        ("TtlDbtNtries", |minor| minor < 0),
    ] {
        let Some(total) = totals.at(path) else { continue };
        let meant: Vec<Signed> =
            booked.iter().map(|(amount, _)| *amount).filter(|a| is_meant(a.minor)).collect();
        if let Some(number) = total.text("NbOfNtries").and_then(|n| n.parse::<usize>().ok())
            && number != meant.len()
        {
            let why = format!("the bank counts {number} entries ({path}), the file has {}", meant.len());
            return Err(BankFileError::Damaged(why));
        }
        let currency = booked.first().map(|(amount, _)| amount.currency);
        let is_one_currency = meant.iter().all(|amount| Some(amount.currency) == currency);
        if let (Some(sum), Some(currency), true) = (total.text("Sum"), currency, is_one_currency) {
            let own: i128 = meant.iter().map(|amount| i128::from(amount.minor.abs())).sum();
            let said = amount_minor(sum, currency).ok_or_else(|| place.damaged("its sum is no amount"))?;
            if i128::from(said) != own {
                let why = format!(
                    "the bank adds up {sum} ({path}), the entries come to {}",
                    Total::new(own, currency)
                );
                return Err(BankFileError::Damaged(why));
            }
        }
    }
    Ok(())
}

/// Opening balance and booked entries come to the closing balance, where the bank gives both.
fn check_balances(part: &Element, booked: &[(Signed, bool)]) -> Result<(), BankFileError> {
    let place = EntryPlace { account: part.text("Acct/Id/IBAN").unwrap_or_default(), number: 0 };
    let balance = |codes: &[&str]| {
        part.all("Bal")
            .find(|balance| balance.text("Tp/CdOrPrtry/Cd").is_some_and(|code| codes.contains(&code)))
    };
    let (Some(opening), Some(closing)) = (balance(&["OPBD", "PRCD"]), balance(&["CLBD"])) else {
        return Ok(());
    };
    let (opening, closing) = (place.signed(opening)?, place.signed(closing)?);
    let own = booked.iter().filter(|(_, is_booked)| *is_booked).map(|(amount, _)| *amount);
    let is_one_currency = own.clone().all(|amount| amount.currency == closing.currency);
    let moved: i128 = own.map(|amount| i128::from(amount.minor)).sum();
    if is_one_currency
        && opening.currency == closing.currency
        && i128::from(opening.minor) + moved != i128::from(closing.minor)
    {
        let told = |minor| Total::new(minor, closing.currency);
        let why = format!(
            "account {}: opening balance {} and entries {} are not the closing balance {}",
            place.account,
            told(i128::from(opening.minor)),
            told(moved),
            told(i128::from(closing.minor))
        );
        return Err(BankFileError::Damaged(why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATEMENT: &str = include_str!("samples/statement.xml");

    fn read_text(text: &str) -> Result<BankFile, BankFileError> {
        read(text.as_bytes())
    }

    #[test]
    fn a_statement_gives_what_came_and_counts_the_rest() {
        let file = read_text(STATEMENT).unwrap();
        assert_eq!(file.format, Format::Camt053);
        assert_eq!(file.passed_by, crate::PassedBy { outgoing: 1, pending: 1, batches: 1 });
        let said: Vec<_> = file
            .received
            .iter()
            .map(|r| (r.amount_minor, r.name.as_deref(), r.reference.as_deref(), r.text.as_str()))
            .collect();
        assert_eq!(
            said,
            [
                (12_500, Some("Kaffe & Co"), Some("RF18539007547034"), ""),
                (10_000, Some("Boghandel ApS"), None, "Invoice INV-0000002"),
                (2_500, None, None, "INV-0000003"),
            ]
        );
        assert_eq!(file.received[0].from.as_deref(), Some("DE89370400440532013000"));
    }

    #[test]
    fn the_same_entry_of_two_files_has_one_id_and_two_alike_have_two() {
        let ids =
            |text: &str| -> Vec<Uuid> { read_text(text).unwrap().received.iter().map(|r| r.id).collect() };
        let own = ids(STATEMENT);
        assert_eq!(own, ids(&STATEMENT.replace("<Id>S-1</Id>", "<Id>S-2</Id>")));
        let mut ids_again = EntryIds::default();
        let alike = read_text(STATEMENT).unwrap().received.remove(2);
        let mut twice = [alike.clone(), alike];
        twice.iter_mut().for_each(|entry| ids_again.give(entry));
        assert_ne!(twice[0].id, twice[1].id);
        assert_eq!(twice[0].id, own[2]);
        assert_eq!(own.iter().collect::<std::collections::BTreeSet<_>>().len(), own.len());
    }

    #[test]
    fn sums_that_do_not_agree_are_told_and_nothing_is_read() {
        for (from, to, told) in [
            ("<NbOfNtries>5</NbOfNtries>", "<NbOfNtries>6</NbOfNtries>", "counts 6 entries"),
            ("<Sum>635.00</Sum>", "<Sum>636.00</Sum>", "adds up 636.00"),
            ("<Amt Ccy=\"EUR\">1585.00</Amt>", "<Amt Ccy=\"EUR\">1585.01</Amt>", "closing balance"),
            ("<Amt Ccy=\"EUR\">25.00</Amt>", "<Amt Ccy=\"EUR\">25.01</Amt>", "add up"),
            ("<Amt Ccy=\"EUR\">25.00</Amt>", "<Amt Ccy=\"EUR\">25.001</Amt>", "no amount"),
            ("<CdtDbtInd>DBIT</CdtDbtInd>", "", "neither CRDT nor DBIT"),
        ] {
            let changed = STATEMENT.replacen(from, to, 1);
            assert_ne!(changed, STATEMENT, "{from}");
            let Err(BankFileError::Damaged(why)) = read_text(&changed) else { panic!("{to} was read") };
            assert!(why.contains(told), "{why}");
        }
    }

    #[test]
    fn other_messages_are_named() {
        let other = STATEMENT.replace("camt.053", "pain.001");
        let Err(BankFileError::Unsupported(why)) = read_text(&other) else { panic!("it was read") };
        assert!(why.contains("pain.001"), "{why}");
        assert!(matches!(read_text("<html></html>"), Err(BankFileError::Unsupported(_))));
    }
}
