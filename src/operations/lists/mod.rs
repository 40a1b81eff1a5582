//! Lists of objects, asked page by page or with a query. The database gives the ids of candidates; whole records decide
//! (`domain::query`).

mod beside;
pub(crate) mod catalogue;
pub(crate) mod customers;
pub(crate) mod cycles;
mod documented;
mod invoices;
mod rows;
mod subscriptions;
mod transactions;

pub use store::listing::Narrow;

use crate::context::Context;
use catalogue::Beside;
use cycles::CycleSelection;
use domain::book_file::ObjectKind;
use domain::catalogue::Catalogue;
use domain::query::{Entity, Filter, OrderKey, Record, Value, compare};
use std::collections::HashMap;
use store::listing::{self, Listing, Window};
use store::{Tx, book, book_object, refkey};
use uuid::Uuid;

pub use beside::{CONSUMER, CURRENCY, FAMILY, consumers, currency, family};
pub use catalogue::plan_charge_id;
pub use customers::{CONTACT_ID, contact_ids, payment_method_id};
pub use documented::kept;

/// Records looked at together.
const CHUNK: usize = 500;

/// What can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noun {
    Customer,
    Contact,
    PaymentMethod,
    ProductPlan,
    Subscription,
    SubscriptionCharge,
    Invoice,
    Transaction,
    Discount,
    UoM,
    BusinessUnit,
    TaxRule,
}

/// Where its records are.
#[derive(Clone, Copy)]
enum Source {
    /// In rows of their own, page by page.
    Rows(Listing),
    /// With what they belong to: the list of this place in each record.
    Parts(Listing, usize),
    /// In the catalogue: few, read together.
    Catalogue(fn(&Catalogue, &Beside) -> Vec<Record>),
}

impl Noun {
    /// Every noun.
    pub const ALL: [Self; 12] = [
        Self::Customer,
        Self::Contact,
        Self::PaymentMethod,
        Self::ProductPlan,
        Self::Subscription,
        Self::SubscriptionCharge,
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
            Self::Contact => &customers::CONTACT,
            Self::PaymentMethod => &customers::PAYMENT_METHOD,
            Self::ProductPlan => &catalogue::PLAN,
            Self::Subscription => &subscriptions::SUBSCRIPTION,
            Self::SubscriptionCharge => &cycles::CHARGE,
            Self::Invoice => &invoices::INVOICE,
            Self::Transaction => &transactions::TRANSACTION,
            Self::Discount => &catalogue::DISCOUNT,
            Self::UoM => &catalogue::UOM,
            Self::BusinessUnit => &catalogue::BUSINESS_UNIT,
            Self::TaxRule => &catalogue::TAX_RULE,
        }
    }

    /// What a plain page shows of each: all of it, unless Upodi's lists show less.
    pub fn row(self) -> &'static Entity {
        match self {
            Self::Customer => &rows::CUSTOMER,
            Self::Subscription => &rows::SUBSCRIPTION,
            _ => self.entity(),
        }
    }

    /// The kind of object of the book that it is.
    pub fn kind(self) -> Option<ObjectKind> {
        Some(match self {
            Self::Customer => ObjectKind::Customer,
            Self::ProductPlan => ObjectKind::ProductPlan,
            Self::Subscription => ObjectKind::Subscription,
            Self::Discount => ObjectKind::Discount,
            Self::UoM => ObjectKind::Uom,
            Self::BusinessUnit => ObjectKind::BusinessUnit,
            Self::TaxRule => ObjectKind::TaxRule,
            Self::Contact
            | Self::PaymentMethod
            | Self::SubscriptionCharge
            | Self::Invoice
            | Self::Transaction => return None,
        })
    }

    fn source(self) -> Source {
        match self {
            Self::Customer => Source::Rows(Listing::Customers),
            Self::Contact => Source::Parts(Listing::Customers, 0),
            Self::PaymentMethod => Source::Parts(Listing::Customers, 1),
            Self::Subscription => Source::Rows(Listing::Subscriptions),
            Self::SubscriptionCharge => Source::Parts(Listing::Subscriptions, 0),
            Self::Invoice => Source::Rows(Listing::Invoices),
            Self::Transaction => Source::Rows(Listing::Transactions),
            Self::ProductPlan => Source::Catalogue(catalogue::plans),
            Self::Discount => Source::Catalogue(catalogue::discounts),
            Self::UoM => Source::Catalogue(catalogue::uoms),
            Self::BusinessUnit => Source::Catalogue(catalogue::business_units),
            Self::TaxRule => Source::Catalogue(catalogue::tax_rules),
        }
    }

    /// The list of an owner, narrowed to the owner whom a filter names.
    fn owner_narrowed(self, filter: &Filter) -> Narrow {
        let name = if self == Self::SubscriptionCharge { "SubscriptionID" } else { "CustomerID" };
        let property = self.entity().property(name);
        match property.and_then(|property| filter.narrowed(property)) {
            Some(Value::Guid(id)) => Narrow { id: Some(*id), ..Narrow::default() },
            _ => Narrow::default(),
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
    load_with(ctx, tx, listing, ids, CycleSelection::Pending).await
}

async fn load_with(
    ctx: &Context,
    tx: &mut Tx,
    listing: Listing,
    ids: &[Uuid],
    which: CycleSelection,
) -> anyhow::Result<Vec<Record>> {
    let records = match listing {
        Listing::Customers => customers::load(tx, ids).await?,
        Listing::Subscriptions => subscriptions::load(ctx, tx, ids, which).await?,
        Listing::Invoices => invoices::load(tx, ids).await?,
        Listing::Transactions => transactions::load(tx, ids).await?,
    };
    Ok(in_order(records, ids))
}

/// Records in the order of their ids.
fn in_order(mut records: Vec<Record>, ids: &[Uuid]) -> Vec<Record> {
    let places: HashMap<Uuid, usize> = ids.iter().copied().zip(0..).collect();
    records.sort_by_cached_key(|record| match record.id() {
        Value::Guid(id) => places.get(id).copied(),
        _ => None,
    });
    records
}

/// Records and how many there are in all, if that was asked.
#[derive(Debug, Default)]
pub struct RecordPage {
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

/// The record of this id; of what was deleted, what was written of it.
pub async fn by_id(ctx: &Context, noun: Noun, id: Uuid) -> anyhow::Result<Option<Record>> {
    let mut tx = ctx.store.read().await?;
    let found = match noun.source() {
        Source::Rows(listing) => load(ctx, &mut tx, listing, &[id]).await?.pop(),
        Source::Parts(listing, list) => part(ctx, &mut tx, noun, listing, list, id).await?,
        Source::Catalogue(_) => {
            let all = of_catalogue(ctx, &mut tx, noun).await?;
            all.into_iter().find(|record| *record.id() == Value::Guid(id))
        }
    };
    if found.is_some() {
        return Ok(found);
    }
    if matches!(noun, Noun::Contact | Noun::PaymentMethod) {
        let kept = store::deleted_part::find(&mut tx, id).await?;
        return Ok(kept.and_then(|text| documented::read_kept(noun.entity(), &text)));
    }
    let Some(kind) = noun.kind() else { return Ok(None) };
    let object = book_object::by_id(&mut tx, id).await?.filter(|object| object.kind == kind);
    Ok(object.map(|object| documented::deleted(noun.entity(), &object)))
}

/// The invoice or charge that its caller has named so.
pub async fn named(ctx: &Context, noun: Noun, refkey: &str) -> anyhow::Result<Option<Uuid>> {
    let kind = match noun {
        Noun::Invoice => refkey::Named::Invoice,
        _ => refkey::Named::Charge,
    };
    refkey::find(&mut ctx.store.read().await?, kind, refkey).await
}

/// What belongs to something whose id stands beside its own; a charge is also found by its reference.
async fn part(
    ctx: &Context,
    tx: &mut Tx,
    noun: Noun,
    listing: Listing,
    list: usize,
    id: Uuid,
) -> anyhow::Result<Option<Record>> {
    let mut owners = listing::owners_beside(tx, listing, id).await?;
    let mut is_reference = false;
    if noun == Noun::SubscriptionCharge
        && let Some(number) = book::owner_of_charge(tx, domain::ids::ChargeReference(id)).await?
        && let Some(owner) = book::subscription(tx, &number).await?
    {
        owners = vec![owner.id.0];
        is_reference = true;
    }
    let place = if is_reference { 1 } else { 0 };
    let records = load_with(ctx, tx, listing, &owners, CycleSelection::All).await?;
    // The pending row of a charge is its last one.
    Ok(records
        .into_iter()
        .flat_map(|mut record| record.lists.get_mut(list).map(std::mem::take).unwrap_or_default())
        .rfind(|record| record.values.get(place) == Some(&Value::Guid(id))))
}

/// One page of what a column narrows, in the order of the list.
pub async fn page(
    ctx: &Context,
    noun: Noun,
    narrow: &Narrow,
    skip: usize,
    top: usize,
) -> anyhow::Result<RecordPage> {
    let mut tx = ctx.store.read().await?;
    match noun.source() {
        Source::Rows(listing) => {
            let window = Window { limit: i64::try_from(top)?, offset: i64::try_from(skip)? };
            let ids = listing::ids(&mut tx, listing, narrow, window).await?;
            let total = u64::try_from(listing::count(&mut tx, listing, narrow).await?)?;
            Ok(RecordPage { records: load(ctx, &mut tx, listing, &ids).await?, total: Some(total) })
        }
        Source::Parts(listing, list) => {
            let query = Query { skip, top, count: true, ..Query::default() };
            let mut sieve = Sieve::new(&query);
            sieve.parts(ctx, &mut tx, listing, list, narrow).await?;
            Ok(sieve.found())
        }
        Source::Catalogue(_) => {
            let all = of_catalogue(ctx, &mut tx, noun).await?;
            let total = Some(u64::try_from(all.len())?);
            Ok(RecordPage { records: all.into_iter().skip(skip).take(top).collect(), total })
        }
    }
}

/// One page of all of them as their list shows them: [`Noun::row`].
pub async fn rows(ctx: &Context, noun: Noun, skip: usize, top: usize) -> anyhow::Result<RecordPage> {
    let listing = match noun {
        Noun::Customer => Listing::Customers,
        Noun::Subscription => Listing::Subscriptions,
        _ => return page(ctx, noun, &Narrow::default(), skip, top).await,
    };
    let mut tx = ctx.store.read().await?;
    let window = Window { limit: i64::try_from(top)?, offset: i64::try_from(skip)? };
    let ids = listing::ids(&mut tx, listing, &Narrow::default(), window).await?;
    let total = u64::try_from(listing::count(&mut tx, listing, &Narrow::default()).await?)?;
    let records = match listing {
        Listing::Customers => rows::customers(&mut tx, &ids).await?,
        _ => rows::subscriptions(ctx, &mut tx, &ids).await?,
    };
    Ok(RecordPage { records: in_order(records, &ids), total: Some(total) })
}

/// What passes a query, in its order.
pub async fn query(ctx: &Context, noun: Noun, query: &Query) -> anyhow::Result<RecordPage> {
    if query.filter.is_none() && query.order.is_empty() {
        return page(ctx, noun, &Narrow::default(), query.skip, query.top).await;
    }
    let mut sieve = Sieve::new(query);
    let mut tx = ctx.store.read().await?;
    match noun.source() {
        Source::Catalogue(_) => {
            of_catalogue(ctx, &mut tx, noun).await?.into_iter().for_each(|record| sieve.take(record));
        }
        Source::Parts(listing, list) => {
            let narrow = query.filter.as_ref().map(|filter| noun.owner_narrowed(filter)).unwrap_or_default();
            sieve.parts(ctx, &mut tx, listing, list, &narrow).await?;
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

/// What passes a query of records that are all there.
pub fn sifted(records: Vec<Record>, query: &Query) -> RecordPage {
    let mut sieve = Sieve::new(query);
    records.into_iter().for_each(|record| sieve.take(record));
    sieve.found()
}

/// The records of the catalogue in the order in which they came; none as long as there is none.
async fn of_catalogue(ctx: &Context, tx: &mut Tx, noun: Noun) -> anyhow::Result<Vec<Record>> {
    let (Source::Catalogue(records), Some(kind)) = (noun.source(), noun.kind()) else {
        return Ok(Vec::new());
    };
    let Some(catalogue) = store::catalogue::load(tx).await? else { return Ok(Vec::new()) };
    let objects = book_object::all(tx, kind).await?;
    let beside = Beside {
        objects: objects.into_iter().map(|object| (object.key.clone(), object)).collect(),
        redeemed: if noun == Noun::Discount { book::all_redeemed(tx).await? } else { Default::default() },
        today: ctx.today_of(&catalogue),
    };
    let mut records = records(&catalogue, &beside);
    let created = noun.entity().property("CreatedDate");
    records.sort_by_cached_key(|record| {
        let at = match created.and_then(|place| record.values.get(place)) {
            Some(Value::Instant(at)) => Some(*at),
            _ => None,
        };
        let id = match record.id() {
            Value::Guid(id) => Some(*id),
            _ => None,
        };
        (at, id)
    });
    Ok(records)
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

    /// Takes what belongs to each owner.
    async fn parts(
        &mut self,
        ctx: &Context,
        tx: &mut Tx,
        listing: Listing,
        list: usize,
        narrow: &Narrow,
    ) -> anyhow::Result<()> {
        let all = Window { limit: i64::MAX, offset: 0 };
        for chunk in listing::ids(tx, listing, narrow, all).await?.chunks(CHUNK) {
            for mut owner in load_with(ctx, tx, listing, chunk, CycleSelection::All).await? {
                let parts = owner.lists.get_mut(list).map(std::mem::take).unwrap_or_default();
                parts.into_iter().for_each(|record| self.take(record));
            }
            if self.has_enough() {
                break;
            }
        }
        Ok(())
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

    fn found(mut self) -> RecordPage {
        if !self.query.order.is_empty() {
            self.first();
        }
        let records = self.kept.into_iter().skip(self.query.skip).take(self.query.top).collect();
        RecordPage { records, total: self.query.count.then_some(self.passed) }
    }
}
