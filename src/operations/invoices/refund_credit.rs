//! A payer's credit goes back, whichever documents it stands on: what was paid too much, and what credit notes leave (rules
//! Y5). By bank transfer, outside; what a provider took goes back through it with a refund of the document.
//!
//! Key that makes a repeat quiet: none; what is owed then is less. All of it is one transaction.

use crate::act::Act;
use crate::context::Context;
use crate::invoices::refund::{keep_manual, received_minor};
use crate::payments::tried::decimal;
use crate::refusal::{Stop, unknown_payer};
use domain::Decimal;
use domain::invoice::verbs::{self, Owed};
use domain::money::{Currency, Money};
use serde::Serialize;
use store::invoice::{self, Booked, InvoiceFilter, InvoiceState};
use store::{Tx, payer};

/// What went back. The fields are a contract.
#[derive(Debug, Clone, Serialize)]
pub struct CreditRefunded {
    pub account: String,
    pub currency: Currency,
    #[serde(serialize_with = "decimal")]
    pub amount: Money,
    pub invoices: Vec<DocumentRefund>,
}

/// What went back on one document.
#[derive(Debug, Clone, Serialize)]
pub struct DocumentRefund {
    pub invoice: String,
    #[serde(serialize_with = "decimal")]
    pub amount: Money,
}

/// Pays so much of a payer's credit back, in major units, or all of it; the oldest documents first.
pub async fn refund_credit(
    ctx: &Context,
    act: &Act,
    account: &str,
    amount: Option<Decimal>,
) -> Result<CreditRefunded, Stop> {
    let mut tx = ctx.store.begin().await?;
    let named = store::book::customer(&mut tx, account).await?.ok_or_else(|| unknown_payer(account))?;
    let payer = payer::lock_of(&mut tx, named.id).await?;
    invoice::lock_open(&mut tx, &[payer]).await?;
    let filter =
        InvoiceFilter { payer: Some(payer), state: Some(InvoiceState::Open), ..InvoiceFilter::default() };
    let ids = invoice::ids(&mut tx, &filter).await?;
    let open = invoice::by_ids(&mut tx, &ids).await?;
    let owed = owed(&mut tx, open).await?;
    let standing: Vec<Owed> = owed.iter().map(|(_, owed)| *owed).collect();
    let mut invoices = Vec::new();
    for (place, amount_minor) in verbs::refund_of_credit(&standing, amount)? {
        let booked = &owed[place].0;
        keep_manual(ctx, &mut tx, act, booked.invoice.draft.id, amount_minor).await?;
        let amount = Money::new(amount_minor, booked.invoice.draft.currency);
        invoices.push(DocumentRefund { invoice: booked.invoice.number.clone(), amount });
    }
    tx.commit().await?;
    let currency = standing.first().map_or(Currency::EUR, |owed| owed.currency);
    let all_minor = invoices.iter().map(|part| part.amount.minor).sum();
    Ok(CreditRefunded {
        account: account.to_owned(),
        currency,
        amount: Money::new(all_minor, currency),
        invoices,
    })
}

/// Documents on which something may go back, the oldest first.
async fn owed(tx: &mut Tx, mut open: Vec<Booked>) -> Result<Vec<(Booked, Owed)>, Stop> {
    open.sort_by_key(|b| (b.invoice.draft.invoice_date, b.invoice.draft.series.clone(), b.invoice.sequence));
    let mut owed = Vec::new();
    for booked in open {
        let draft = &booked.invoice.draft;
        let owed_minor = -booked.settlement.open_minor(draft.gross_minor());
        if owed_minor <= 0 {
            continue;
        }
        let received_minor = received_minor(tx, &booked).await?.unwrap_or(owed_minor);
        let (amount_minor, currency) = (owed_minor.min(received_minor), draft.currency);
        if amount_minor > 0 {
            owed.push((booked, Owed { currency, amount_minor }));
        }
    }
    Ok(owed)
}
