//! Upodi v3, below `/v3`: one file per object.

mod book;
mod contacts;
mod day;
mod discounts;
mod expand;
mod invoice_verbs;
mod invoice_writes;
mod invoices;
mod listed;
mod metadata;
mod objects;
mod payment_methods;
mod plans;
mod query;
mod runs;
mod subscription_charges;
mod subscription_forms;
mod subscriptions;
mod tenant;
mod transactions;
pub mod usage;
mod usage_reads;
mod view;
mod webhooks;
mod written;

use crate::route::Route;

pub fn routes() -> Vec<Route> {
    let mut routes = Vec::new();
    routes.extend(tenant::routes());
    routes.extend(book::routes());
    routes.extend(contacts::routes());
    routes.extend(payment_methods::routes());
    routes.extend(plans::routes());
    routes.extend(discounts::routes());
    routes.extend(metadata::routes());
    routes.extend(invoices::routes());
    routes.extend(invoice_verbs::routes());
    routes.extend(invoice_writes::routes());
    routes.extend(subscriptions::routes());
    routes.extend(subscription_charges::routes());
    routes.extend(transactions::routes());
    routes.extend(usage::routes());
    routes.extend(usage_reads::routes());
    routes.extend(runs::routes());
    routes.extend(webhooks::routes());
    routes
}
