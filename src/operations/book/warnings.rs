//! What will keep a payer from a right invoice, of the book as it is or as a load leaves it. Reads only.

use crate::context::Context;
use documents::Renderer;
use domain::catalogue::Catalogue;
use domain::customer::Customer;
use domain::ids::CustomerId;
use domain::run::Scope;
use domain::subscription::Subscription;
use domain::warning::{Book, HasLanguage, Unwritable, Warning};
use domain::zone;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use store::Tx;
use store::load::Loaded;

/// Payers whose books are read together.
const PAYERS: usize = 500;

/// Of the whole book, for `doctor`; none while there is no book.
pub async fn of_book(ctx: &Context) -> anyhow::Result<Vec<Warning>> {
    let mut tx = ctx.store.read().await?;
    let Some(catalogue) = store::catalogue::load(&mut tx).await? else { return Ok(Vec::new()) };
    let payers = store::payer::payers(&mut tx, &Scope::default()).await?;
    let payers: Vec<CustomerId> = payers.into_iter().map(|payer| payer.id).collect();
    let sight = WarningContext::of(ctx);
    let unwritable = |text: &str| sight.unwritable(text);
    let has_language = |language: &str| sight.has_language(language);
    let book = sight.book(ctx, &catalogue, HashMap::new(), Vec::new(), (&unwritable, &has_language));
    let mut all = book.of_all();
    all.extend(of_payers(ctx, &mut tx, &sight, &catalogue, &payers).await?);
    Ok(all)
}

/// Of what a load has touched: its customers and those whose subscriptions it has brought; everybody, if it has changed
/// what is sold or how it is taxed.
pub async fn of_load(ctx: &Context, loaded: &Loaded) -> anyhow::Result<Vec<Warning>> {
    if loaded.catalogue_changed {
        return of_book(ctx).await;
    }
    let mut tx = ctx.store.read().await?;
    let Some(catalogue) = store::catalogue::load(&mut tx).await? else { return Ok(Vec::new()) };
    let touched: Vec<CustomerId> = loaded.touched.iter().copied().collect();
    let payers = store::book::payers_of(&mut tx, &touched).await?;
    of_payers(ctx, &mut tx, &WarningContext::of(ctx), &catalogue, &payers).await
}

async fn of_payers(
    ctx: &Context,
    tx: &mut Tx,
    sight: &WarningContext,
    catalogue: &Catalogue,
    payers: &[CustomerId],
) -> anyhow::Result<Vec<Warning>> {
    let unwritable = |text: &str| sight.unwritable(text);
    let has_language = |language: &str| sight.has_language(language);
    let mut all = Vec::new();
    for some in payers.chunks(PAYERS) {
        let (customers, subscriptions) = store::book::trees(tx, some).await?;
        let customers = customers.iter().map(|c| (c.id, c)).collect();
        let book = sight.book(
            ctx,
            catalogue,
            customers,
            subscriptions.iter().collect(),
            (&unwritable, &has_language),
        );
        all.extend(book.of_payers());
    }
    all.sort();
    Ok(all)
}

/// What is looked at besides the book.
struct WarningContext {
    renderer: Option<Arc<Renderer>>,
    gateways: BTreeSet<String>,
}

impl WarningContext {
    /// Templates that are broken are told where something is rendered.
    fn of(ctx: &Context) -> Self {
        Self { renderer: ctx.renderer().ok(), gateways: ctx.gateways.keys().cloned().collect() }
    }

    fn unwritable(&self, text: &str) -> Option<String> {
        let renderer = self.renderer.as_ref()?;
        renderer.unwritable([text].into_iter()).map(|unwritable| unwritable.to_string())
    }

    /// While the templates are broken no language is doubted.
    fn has_language(&self, language: &str) -> bool {
        self.renderer.as_ref().is_none_or(|renderer| renderer.has_language(language))
    }

    fn book<'b>(
        &'b self,
        ctx: &Context,
        catalogue: &'b Catalogue,
        customers: HashMap<CustomerId, &'b Customer>,
        subscriptions: Vec<&'b Subscription>,
        (unwritable, has_language): (Unwritable<'b>, HasLanguage<'b>),
    ) -> Book<'b> {
        let today = zone::local_date((ctx.now)(), catalogue.tenant.timezone);
        let has_sender = ctx.settings.mail_from.is_some();
        let gateways = &self.gateways;
        Book { catalogue, customers, subscriptions, today, has_sender, gateways, unwritable, has_language }
    }
}
