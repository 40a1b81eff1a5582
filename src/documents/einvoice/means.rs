//! How an invoice is to be paid, in the codes of UNCL 4461 that the countries take.

use super::EInvoice;
use domain::money::Currency;
use domain::payment_reference::{PaymentReference, ReferenceKind};

/// Not defined: the account is told, the way is not.
const UNDEFINED: &str = "1";
const CREDIT_TRANSFER: &str = "30";
/// Between accounts in Denmark, by IBAN and BIC.
const DEBIT_TRANSFER: &str = "31";
/// A Danish account by registration and account number.
const BANK_ACCOUNT: &str = "42";
const SEPA_TRANSFER: &str = "58";

/// A Danish payment slip: 71, 15 digits and the creditor's number.
const PAYMENT_SLIP: &str = "93";
/// Digits of a creditor's number at the Danish payment system (DK-R-010).
const CREDITOR_LEN: usize = 8;

pub(super) struct Means {
    pub code: &'static str,
    /// What the payer states (BT-83).
    pub reference: String,
    pub account: Option<Account>,
}

pub(super) struct Account {
    pub number: String,
    /// BIC, or the registration number of a Danish branch.
    pub branch: Option<String>,
}

/// Where money goes: a credit note of a seller without an account names no means.
pub(super) fn means(
    of: &EInvoice<'_>,
    seller: Option<&str>,
    buyer: Option<&str>,
    is_credit: bool,
) -> Option<Means> {
    let own = of.invoice.payment_reference.as_ref();
    let reference = own.map_or_else(|| of.invoice.number.clone(), |own| own.reference.clone());
    let is_danish = seller == Some("DK") && buyer == Some("DK");
    if let Some(slip) = own.filter(|_| is_danish && !is_credit).and_then(|own| payment_slip(of, own)) {
        return Some(slip);
    }
    match transfer(of, is_danish) {
        (code, Some(account)) => Some(Means { code, reference, account: Some(account) }),
        (code, None) => (!is_credit).then_some(Means { code, reference, account: None }),
    }
}

/// DK-R-010 and DK-R-011.
fn payment_slip(of: &EInvoice<'_>, own: &PaymentReference) -> Option<Means> {
    let creditor = own.creditor.as_deref().filter(|number| number.len() == CREDITOR_LEN)?;
    let is_slip = own.kind == ReferenceKind::Fi71 && of.invoice.draft.currency.code() == "DKK";
    is_slip.then(|| Means {
        code: PAYMENT_SLIP,
        reference: format!("71#{}", own.reference),
        account: Some(Account { number: creditor.to_owned(), branch: None }),
    })
}

/// By what code to which account. DK-R-005 and DK-R-006: between Danes code 30 is not taken, and 31 and 42 want a branch.
fn transfer(of: &EInvoice<'_>, is_danish: bool) -> (&'static str, Option<Account>) {
    let (tenant, currency) = (of.tenant, of.invoice.draft.currency);
    let plain = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
    let Some(iban) = tenant.iban.as_deref().map(plain) else { return (UNDEFINED, None) };
    let bic = tenant.bic.as_deref().map(plain);
    let code = match danish_account(&iban) {
        _ if !is_danish => CREDIT_TRANSFER,
        Some(account) if currency.code() == "DKK" => return (BANK_ACCOUNT, Some(account)),
        _ if currency == Currency::EUR => SEPA_TRANSFER,
        _ if bic.is_some() => DEBIT_TRANSFER,
        _ => UNDEFINED,
    };
    (code, Some(Account { number: iban, branch: bic }))
}

/// `DK50 0040 0440116243` is account 0440116243 of branch 0040.
fn danish_account(iban: &str) -> Option<Account> {
    let rest = iban.strip_prefix("DK")?;
    let (branch, number) = (rest.get(2..6)?, rest.get(6..16)?);
    Some(Account { number: number.to_owned(), branch: Some(branch.to_owned()) })
}
