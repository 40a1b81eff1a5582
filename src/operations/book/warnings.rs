//! What will keep a payer from a right invoice, of the book as it is or as a load leaves it. Reads only.

use crate::context::Context;
use documents::Renderer;
use domain::book_file::LoadSet;
use domain::catalogue::Catalogue;
use domain::customer::Customer;
use domain::ids::CustomerId;
use domain::subscription::Subscription;
use domain::warning::{Book, Warning};
use domain::zone;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Payers whose books are read together.
const PAYERS: usize = 500;

/// Of the whole book, for `doctor`; none while there is no book.
pub async fn of_book(ctx: &Context) -> anyhow::Result<Vec<Warning>> {
    let mut tx = ctx.store.read().await?;
    let Some(catalogue) = store::catalogue::load(&mut tx).await? else { return Ok(Vec::new()) };
    let customers = store::book::all_customers(&mut tx).await?;
    let subscriptions = store::book::subscriptions(&mut tx, None).await?;
    drop(tx);
    let sight = Sight::of(ctx);
    let unwritable = |text: &str| sight.unwritable(text);
    let customers = customers.iter().map(|c| (c.id, c)).collect();
    let book = sight.book(ctx, &catalogue, customers, subscriptions.iter().collect(), &unwritable);
    let mut all = book.of_all();
    all.extend(book.of_payers());
    Ok(all)
}

/// Of what a load has touched: its customers and those whose subscriptions it has brought; everybody, if it has changed
/// what is sold or how it is taxed.
pub async fn of_load(ctx: &Context, set: &LoadSet) -> anyhow::Result<Vec<Warning>> {
    if set.catalogue_changed {
        return of_book(ctx).await;
    }
    let sight = Sight::of(ctx);
    let unwritable = |text: &str| sight.unwritable(text);
    let owners: BTreeSet<CustomerId> =
        set.customers.iter().map(|c| c.id).chain(set.subscriptions.iter().map(|s| s.customer)).collect();
    let catalogue = Arc::new(set.catalogue.clone());
    let mut tx = ctx.store.read().await?;
    let mut payers = BTreeSet::new();
    for owner in owners {
        payers.insert(store::book::payer_of(&mut tx, owner).await?);
    }
    let payers: Vec<CustomerId> = payers.into_iter().collect();
    let mut all = Vec::new();
    for some in payers.chunks(PAYERS) {
        for tree in store::payer::books(&mut tx, some, &catalogue).await? {
            let customers = tree.customers.values().map(|c| (c.id, c)).collect();
            let book =
                sight.book(ctx, &catalogue, customers, tree.subscriptions.values().collect(), &unwritable);
            all.extend(book.of_payers());
        }
    }
    all.sort();
    Ok(all)
}

/// What is looked at besides the book.
struct Sight {
    renderer: Option<Arc<Renderer>>,
}

impl Sight {
    /// Templates that are broken are told where something is rendered.
    fn of(ctx: &Context) -> Self {
        Self { renderer: ctx.renderer().ok() }
    }

    fn unwritable(&self, text: &str) -> Option<String> {
        let renderer = self.renderer.as_ref()?;
        renderer.unwritable([text].into_iter()).map(|unwritable| unwritable.to_string())
    }

    fn book<'b>(
        &self,
        ctx: &Context,
        catalogue: &'b Catalogue,
        customers: HashMap<CustomerId, &'b Customer>,
        subscriptions: Vec<&'b Subscription>,
        unwritable: &'b dyn Fn(&str) -> Option<String>,
    ) -> Book<'b> {
        let today = zone::local_date((ctx.now)(), catalogue.tenant.timezone);
        let has_sender = ctx.settings.mail_from.is_some();
        Book { catalogue, customers, subscriptions, today, has_sender, unwritable }
    }
}
