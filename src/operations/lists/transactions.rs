//! Movements of money as records: every attempt to collect, and every payment that a person noted.

use domain::money::Money;
use domain::payment::MANUAL;
use domain::payment::{Attempt, AttemptState};
use domain::query::{Entity, Kind, Record, Value, property};
use store::{Tx, payment};
use uuid::Uuid;

pub static TRANSACTION: Entity = Entity {
    name: "Transaction",
    properties: &[
        property("ID", Kind::Guid),
        property("CustomerID", Kind::Guid),
        property("InvoiceID", Kind::Guid),
        property("StateCode", Kind::Int),
        property("Status", Kind::Int),
        property("Type", Kind::Int),
        property("TotalAmount", Kind::Exact),
        property("CurrencyCode", Kind::Text),
        property("Date", Kind::Day),
        property("PaymentMethod", Kind::Text),
        property("PaymentProvider", Kind::Text),
        property("GatewayReference", Kind::Text),
        property("GatewayErrorCode", Kind::Text),
    ],
    objects: &[],
    lists: &[],
};

/// The transactions of these ids.
pub async fn load(tx: &mut Tx, ids: &[Uuid]) -> anyhow::Result<Vec<Record>> {
    Ok(payment::by_ids(tx, ids).await?.iter().map(record).collect())
}

/// Upodi's numbers: what came of it, and what it is.
fn codes(attempt: &Attempt) -> (i64, i64) {
    match attempt.state {
        AttemptState::Paid if attempt.gateway == MANUAL => (32, 8),
        AttemptState::Paid => (1, 8),
        AttemptState::SoftDecline | AttemptState::HardDecline => (8, 32),
        AttemptState::Technical => (16, 8),
        AttemptState::Pending => (64, 8),
    }
}

fn record(attempt: &Attempt) -> Record {
    let (state, kind) = codes(attempt);
    let values = vec![
        Value::Guid(attempt.id.0),
        Value::Guid(attempt.customer.0),
        Value::Guid(attempt.invoice.0),
        Value::Int(state),
        Value::Int(1),
        Value::Int(kind),
        Value::Exact(Money::new(attempt.amount_minor, attempt.currency).decimal()),
        attempt.currency.code().into(),
        Value::Day(attempt.on),
        attempt.method.as_str().into(),
        attempt.gateway.as_str().into(),
        attempt.provider_reference.as_deref().into(),
        attempt.decline_code.as_deref().into(),
    ];
    Record { values, ..Record::default() }
}
