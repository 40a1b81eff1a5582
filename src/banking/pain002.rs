//! What a bank says of our file of debits (pain.002 of ISO 20022): only what it has not carried out matters, as money that came
//! is told by account statements.

use crate::xml::Element;
use crate::{BankFile, BankFileError, ENTRIES_MAX, Format};
use chrono::{DateTime, NaiveDate};
use domain::direct_debit::{FilePart, NotCarriedOut};

const REJECTED: &str = "RJCT";

/// Reads a report whose root this is.
pub(crate) fn read(root: &Element) -> Result<BankFile, BankFileError> {
    let damaged = |why: &str| BankFileError::Damaged(why.to_owned());
    let report = root.at("CstmrPmtStsRpt").ok_or_else(|| damaged("it has no report"))?;
    let made = report.text("GrpHdr/CreDtTm").ok_or_else(|| damaged("it does not say when it was made"))?;
    let on = day(made).ok_or_else(|| BankFileError::Damaged(format!("`{made}` is no day")))?;
    let original =
        report.at("OrgnlGrpInfAndSts").ok_or_else(|| damaged("it does not say which file it is about"))?;
    let message =
        original.text("OrgnlMsgId").ok_or_else(|| damaged("it does not say which file it is about"))?;
    let mut file = BankFile::new(Format::Pain002);
    file.message = Some(message.to_owned());
    if original.text("GrpSts") == Some(REJECTED) {
        let what = FilePart::File(message.to_owned());
        file.not_carried_out.push(NotCarriedOut { what, code: code(original), on });
        return Ok(file);
    }
    for batch in report.all("OrgnlPmtInfAndSts") {
        let own: Vec<&Element> =
            batch.all("TxInfAndSts").filter(|debit| debit.text("TxSts") == Some(REJECTED)).collect();
        // A batch that is refused as a whole names no debit, or every one of them.
        if own.is_empty() && batch.text("PmtInfSts") == Some(REJECTED) {
            let name = batch.text("OrgnlPmtInfId").ok_or_else(|| damaged("a batch of it has no name"))?;
            let what = FilePart::Batch(name.to_owned());
            file.not_carried_out.push(NotCarriedOut { what, code: code(batch), on });
        }
        for debit in own {
            let name = debit.text("OrgnlEndToEndId").ok_or_else(|| damaged("a debit of it has no name"))?;
            let code = code(debit).or_else(|| code(batch));
            file.not_carried_out.push(NotCarriedOut { what: FilePart::Debit(name.to_owned()), code, on });
            if file.not_carried_out.len() > ENTRIES_MAX {
                return Err(BankFileError::TooMany);
            }
        }
    }
    Ok(file)
}

fn code(of: &Element) -> Option<String> {
    of.at("StsRsnInf/Rsn")?.code()
}

fn day(text: &str) -> Option<NaiveDate> {
    let instant = DateTime::parse_from_rfc3339(text).ok().map(|at| at.date_naive());
    instant.or_else(|| text.get(..10)?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(of_file: &str, of_batch: &str) -> Result<BankFile, BankFileError> {
        crate::read(
            format!(
                "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:pain.002.001.10\"><CstmrPmtStsRpt>\
                 <GrpHdr><MsgId>R</MsgId><CreDtTm>2026-03-16T09:00:00</CreDtTm></GrpHdr>\
                 <OrgnlGrpInfAndSts><OrgnlMsgId>TB1</OrgnlMsgId>{of_file}</OrgnlGrpInfAndSts>{of_batch}\
                 </CstmrPmtStsRpt></Document>"
            )
            .as_bytes(),
            &crate::CsvMapping::default(),
        )
    }

    fn told(file: &BankFile) -> Vec<(FilePart, Option<&str>)> {
        file.not_carried_out.iter().map(|n| (n.what.clone(), n.code.as_deref())).collect()
    }

    #[test]
    fn what_is_rejected_is_read_at_every_level_and_the_rest_is_passed_by() {
        let reason = "<StsRsnInf><Rsn><Cd>AM04</Cd></Rsn></StsRsnInf>";
        let whole = read_text(&format!("<GrpSts>RJCT</GrpSts>{reason}"), "").unwrap();
        assert_eq!(told(&whole), [(FilePart::File("TB1".to_owned()), Some("AM04"))]);
        let batch = format!(
            "<OrgnlPmtInfAndSts><OrgnlPmtInfId>TB1-1</OrgnlPmtInfId><PmtInfSts>RJCT</PmtInfSts>{reason}</OrgnlPmtInfAndSts>"
        );
        assert_eq!(
            told(&read_text("", &batch).unwrap()),
            [(FilePart::Batch("TB1-1".to_owned()), Some("AM04"))]
        );
        let debits = format!(
            "<OrgnlPmtInfAndSts><OrgnlPmtInfId>TB1-1</OrgnlPmtInfId><PmtInfSts>PART</PmtInfSts>\
             <TxInfAndSts><OrgnlEndToEndId>a</OrgnlEndToEndId><TxSts>ACSC</TxSts></TxInfAndSts>\
             <TxInfAndSts><OrgnlEndToEndId>b</OrgnlEndToEndId><TxSts>RJCT</TxSts>{reason}</TxInfAndSts></OrgnlPmtInfAndSts>"
        );
        let part = read_text("<GrpSts>PART</GrpSts>", &debits).unwrap();
        assert_eq!(told(&part), [(FilePart::Debit("b".to_owned()), Some("AM04"))]);
        assert_eq!((part.format, part.message.as_deref()), (Format::Pain002, Some("TB1")));
        assert!(matches!(
            read_text(
                "",
                "<OrgnlPmtInfAndSts><TxInfAndSts><TxSts>RJCT</TxSts></TxInfAndSts></OrgnlPmtInfAndSts>"
            ),
            Err(BankFileError::Damaged(_))
        ));
    }
}
