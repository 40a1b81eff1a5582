//! What a bank sends about direct debits.

/// A statement or notification (`camt.053`, `camt.054`) with these entries.
pub fn statement(kind: &str, entries: &str) -> String {
    let (message, part) = match kind {
        "camt.053" => ("BkToCstmrStmt", "Stmt"),
        _ => ("BkToCstmrDbtCdtNtfctn", "Ntfctn"),
    };
    format!(
        "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:{kind}.001.08\"><{message}><{part}><Id>S</Id>\
         <Acct><Id><IBAN>DE89370400440532013000</IBAN></Id></Acct>{entries}</{part}></{message}></Document>"
    )
}

/// Money that came for a batch of debits.
pub fn sum(amount: &str, batch: &str, on: &str) -> String {
    format!(
        "<Ntry><Amt Ccy=\"EUR\">{amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>{on}</Dt></BookgDt>\
         <AcctSvcrRef>C-{batch}</AcctSvcrRef><NtryDtls><Btch><PmtInfId>{batch}</PmtInfId><NbOfTxs>3</NbOfTxs></Btch></NtryDtls></Ntry>"
    )
}

/// Money that came for one debit.
pub fn credited(amount: &str, debit: &str, reference: &str, on: &str) -> String {
    format!(
        "<Ntry><Amt Ccy=\"EUR\">{amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>{on}</Dt></BookgDt>\
         <AcctSvcrRef>{reference}</AcctSvcrRef><NtryDtls><TxDtls><Refs><EndToEndId>{debit}</EndToEndId></Refs></TxDtls></NtryDtls></Ntry>"
    )
}

/// The bank takes a debit back, with its fee.
pub fn given_back(amount: &str, debit: &str, code: &str, on: &str) -> String {
    format!(
        "<Ntry><Amt Ccy=\"EUR\">{amount}</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><BookgDt><Dt>{on}</Dt></BookgDt>\
         <AcctSvcrRef>R-{debit}</AcctSvcrRef><NtryDtls><TxDtls><Refs><EndToEndId>{debit}</EndToEndId></Refs>\
         <RtrInf><Rsn><Cd>{code}</Cd></Rsn></RtrInf></TxDtls></NtryDtls></Ntry>"
    )
}

/// The bank's report on a file: a debit was not carried out.
pub fn rejected((message, batch, debit): (&str, &str, &str), code: &str, on: &str) -> String {
    format!(
        "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:pain.002.001.10\"><CstmrPmtStsRpt><GrpHdr><MsgId>B</MsgId>\
         <CreDtTm>{on}T10:00:00</CreDtTm></GrpHdr><OrgnlGrpInfAndSts><OrgnlMsgId>{message}</OrgnlMsgId><GrpSts>PART</GrpSts>\
         </OrgnlGrpInfAndSts><OrgnlPmtInfAndSts><OrgnlPmtInfId>{batch}</OrgnlPmtInfId><TxInfAndSts><OrgnlEndToEndId>{debit}</OrgnlEndToEndId>\
         <TxSts>RJCT</TxSts><StsRsnInf><Rsn><Cd>{code}</Cd></Rsn></StsRsnInf></TxInfAndSts></OrgnlPmtInfAndSts></CstmrPmtStsRpt></Document>"
    )
}
