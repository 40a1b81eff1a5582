//! Upodi v3, below `/v3`: one file per object.

mod book;
mod day;
mod invoice_verbs;
mod invoices;
mod listed;
mod query;
mod subscriptions;
mod tenant;
mod transactions;
pub mod usage;
mod view;

use crate::route::Route;

pub fn routes() -> Vec<Route> {
    let mut routes = Vec::new();
    routes.extend(tenant::routes());
    routes.extend(book::routes());
    routes.extend(invoices::routes());
    routes.extend(invoice_verbs::routes());
    routes.extend(subscriptions::routes());
    routes.extend(transactions::routes());
    routes.extend(usage::routes());
    routes
}
