//! Lists of objects, asked page by page or with a query. The database gives the ids of candidates; whole records decide
//! (`domain::query`).

mod catalogue;
mod customers;
mod invoices;
mod subscriptions;
mod transactions;

pub use store::listing::Narrow;

use crate::context::Context;
use domain::catalogue::Catalogue;
use domain::query::{Entity, Filter, OrderKey, Record, Value, compare};
use std::collections::HashMap;
use store::Tx;
use store::listing::{self, Listing, Window};
use uuid::Uuid;

/// Records looked at together.
const CHUNK: usize = 500;

/// What can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noun {
    Customer,
    ProductPlan,
    Subscription,
    Invoice,
    Transaction,
    Discount,
    UoM,
    BusinessUnit,
    TaxRule,
}

/// Where its records are.
enum Source {
    /// In rows of their own, page by page.
    Rows(Listing),
    /// In the catalogue: few, read together.
    Catalogue(fn(&Catalogue) -> Vec<Record>),
}

impl Noun {
    /// Every noun.
    pub const ALL: [Self; 9] = [
        Self::Customer,
        Self::ProductPlan,
        Self::Subscription,
        Self::Invoice,
        Self::Transaction,
        Self::Discount,
        Self::UoM,
        Self::BusinessUnit,
        Self::TaxRule,
    ];

    /// Its properties.
    pub fn entity(self) -> &'static Entity {
        match self {
            Self::Customer => &customers::CUSTOMER,
            Self::ProductPlan => &catalogue::PLAN,
            Self::Subscription => &subscriptions::SUBSCRIPTION,
            Self::Invoice => &invoices::INVOICE,
            Self::Transaction => &transactions::TRANSACTION,
            Self::Discount => &catalogue::DISCOUNT,
            Self::UoM => &catalogue::UOM,
            Self::BusinessUnit => &catalogue::BUSINESS_UNIT,
            Self::TaxRule => &catalogue::TAX_RULE,
        }
    }

    fn source(self) -> Source {
        match self {
            Self::Customer => Source::Rows(Listing::Customers),
            Self::Subscription => Source::Rows(Listing::Subscriptions),
            Self::Invoice => Source::Rows(Listing::Invoices),
            Self::Transaction => Source::Rows(Listing::Transactions),
            Self::ProductPlan => Source::Catalogue(catalogue::plans),
            Self::Discount => Source::Catalogue(catalogue::discounts),
            Self::UoM => Source::Catalogue(catalogue::uoms),
            Self::BusinessUnit => Source::Catalogue(catalogue::business_units),
            Self::TaxRule => Source::Catalogue(catalogue::tax_rules),
        }
    }

    /// What a filter says of columns.
    fn narrowed(self, filter: &Filter) -> Narrow {
        let entity = self.entity();
        let value = |name: &str| entity.property(name).and_then(|property| filter.narrowed(property));
        let guid = |name: &str| match value(name) {
            Some(Value::Guid(id)) => Some(*id),
            _ => None,
        };
        let text = |name: &str| match value(name) {
            Some(Value::Text(text)) => Some(text.clone()),
            _ => None,
        };
        let number = match self {
            Self::Customer => text("AccountNumber"),
            Self::Subscription => text("SubscriptionNumber"),
            Self::Invoice => text("InvoiceNumber"),
            _ => None,
        };
        let customer = if self == Self::Customer { guid("ParentID") } else { guid("CustomerID") };
        Narrow { id: guid("ID"), customer, invoice: guid("InvoiceID"), number }
    }
}

/// The records of these ids, in their order; those that are gone are left out.
async fn load(ctx: &Context, tx: &mut Tx, listing: Listing, ids: &[Uuid]) -> anyhow::Result<Vec<Record>> {
    let mut records = match listing {
        Listing::Customers => customers::load(tx, ids).await?,
        Listing::Subscriptions => subscriptions::load(ctx, tx, ids).await?,
        Listing::Invoices => invoices::load(tx, ids).await?,
        Listing::Transactions => transactions::load(tx, ids).await?,
    };
    let places: HashMap<Uuid, usize> = ids.iter().copied().zip(0..).collect();
    records.sort_by_cached_key(|record| match record.id() {
        Value::Guid(id) => places.get(id).copied(),
        _ => None,
    });
    Ok(records)
}

/// Records and how many there are in all, if that was asked.
#[derive(Debug, Default)]
pub struct Found {
    pub records: Vec<Record>,
    pub total: Option<u64>,
}

/// What a query asks.
#[derive(Debug, Default)]
pub struct Query {
    pub filter: Option<Filter>,
    pub order: Vec<OrderKey>,
    pub skip: usize,
    pub top: usize,
    /// Whether to count what passes.
    pub count: bool,
}

/// The record of this id.
pub async fn by_id(ctx: &Context, noun: Noun, id: Uuid) -> anyhow::Result<Option<Record>> {
    let mut tx = ctx.store.read().await?;
    match noun.source() {
        Source::Rows(listing) => Ok(load(ctx, &mut tx, listing, &[id]).await?.pop()),
        Source::Catalogue(records) => {
            let all = of_catalogue(&mut tx, records).await?;
            Ok(all.into_iter().find(|record| *record.id() == Value::Guid(id)))
        }
    }
}

/// One page of what a column narrows, in the order of the list.
pub async fn page(
    ctx: &Context,
    noun: Noun,
    narrow: &Narrow,
    skip: usize,
    top: usize,
) -> anyhow::Result<Found> {
    let mut tx = ctx.store.read().await?;
    match noun.source() {
        Source::Rows(listing) => {
            let window = Window { limit: i64::try_from(top)?, offset: i64::try_from(skip)? };
            let ids = listing::ids(&mut tx, listing, narrow, window).await?;
            let total = u64::try_from(listing::count(&mut tx, listing, narrow).await?)?;
            Ok(Found { records: load(ctx, &mut tx, listing, &ids).await?, total: Some(total) })
        }
        Source::Catalogue(records) => {
            let all = of_catalogue(&mut tx, records).await?;
            let total = Some(u64::try_from(all.len())?);
            Ok(Found { records: all.into_iter().skip(skip).take(top).collect(), total })
        }
    }
}

/// What passes a query, in its order.
pub async fn query(ctx: &Context, noun: Noun, query: &Query) -> anyhow::Result<Found> {
    if query.filter.is_none() && query.order.is_empty() {
        return page(ctx, noun, &Narrow::default(), query.skip, query.top).await;
    }
    let mut sieve = Sieve::new(query);
    let mut tx = ctx.store.read().await?;
    match noun.source() {
        Source::Catalogue(records) => {
            of_catalogue(&mut tx, records).await?.into_iter().for_each(|record| sieve.take(record));
        }
        Source::Rows(listing) => {
            let narrow = query.filter.as_ref().map(|filter| noun.narrowed(filter)).unwrap_or_default();
            let all = Window { limit: i64::MAX, offset: 0 };
            let candidates = listing::ids(&mut tx, listing, &narrow, all).await?;
            for chunk in candidates.chunks(CHUNK) {
                load(ctx, &mut tx, listing, chunk).await?.into_iter().for_each(|record| sieve.take(record));
                if sieve.has_enough() {
                    break;
                }
            }
        }
    }
    Ok(sieve.found())
}

/// The records of the catalogue; none as long as there is none.
async fn of_catalogue(tx: &mut Tx, records: fn(&Catalogue) -> Vec<Record>) -> anyhow::Result<Vec<Record>> {
    Ok(store::catalogue::load(tx).await?.map(|catalogue| records(&catalogue)).unwrap_or_default())
}

/// Keeps what passes a query, and no more of it than is needed.
struct Sieve<'q> {
    query: &'q Query,
    /// Records that come first, and are passed over or answered.
    wanted: usize,
    passed: u64,
    kept: Vec<Record>,
}

impl<'q> Sieve<'q> {
    fn new(query: &'q Query) -> Self {
        Self { query, wanted: query.skip.saturating_add(query.top), passed: 0, kept: Vec::new() }
    }

    fn take(&mut self, record: Record) {
        if self.query.filter.as_ref().is_some_and(|filter| !filter.holds(&record)) {
            return;
        }
        self.passed += 1;
        if self.query.order.is_empty() && self.kept.len() >= self.wanted {
            return;
        }
        self.kept.push(record);
        if self.kept.len() > 2 * self.wanted + CHUNK {
            self.first();
        }
    }

    /// Whether nothing that follows could be answered.
    fn has_enough(&self) -> bool {
        self.query.order.is_empty() && !self.query.count && self.kept.len() >= self.wanted
    }

    /// Keeps those that come first.
    fn first(&mut self) {
        self.kept.sort_by(|a, b| compare(&self.query.order, a, b));
        self.kept.truncate(self.wanted);
    }

    fn found(mut self) -> Found {
        if !self.query.order.is_empty() {
            self.first();
        }
        let records = self.kept.into_iter().skip(self.query.skip).take(self.query.top).collect();
        Found { records, total: self.query.count.then_some(self.passed) }
    }
}
