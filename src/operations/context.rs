//! What a job receives: the store, the folders, the settings, the clock of the edge, and a bell that wakes the
//! workers of this process as soon as a transaction has enqueued something.

use crate::actor::Actor;
use crate::files::doors::Doors;
use crate::files::file_store::FileStore;
use crate::refusal::Stop;
use crate::settings::{Folders, Settings};
use chrono::{DateTime, NaiveDate, Utc};
use documents::{Renderer, TemplateError, Templates};
use domain::audit::{Action, Object};
use domain::catalogue::{Catalogue, Tenant};
use domain::refusal::{Code, Refusal, Verb};
use futures_util::Stream;
use gateways::webhook::Teller;
use gateways::{Bucket, MailTransport, PaymentGateway, Ping};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{self, Poll};
use store::{Store, Tx};
use tokio::sync::watch;

/// Whether asking again later may help: the database was busy or restarting.
pub use store::is_transient;

/// From a ring of the bell to its echo.
const ECHO: std::time::Duration = std::time::Duration::from_millis(20);

/// Everything a job needs; cheap to clone.
#[derive(Clone)]
pub struct Context(Arc<Parts>);

/// The parts of a [`Context`].
pub struct Parts {
    pub store: Store,
    pub folders: Folders,
    pub settings: Settings,
    /// Name of this process in claims and logs: host, process id and a nonce.
    pub worker: String,
    /// The only clock below the edge.
    pub now: fn() -> DateTime<Utc>,
    pub mail: Arc<dyn MailTransport>,
    /// By name, for example `sandbox`.
    pub gateways: BTreeMap<String, Arc<dyn PaymentGateway>>,
    /// The monitor that notices a missing night, if there is one.
    pub ping: Option<Ping>,
    /// Tells endpoints of others what has changed.
    pub teller: Teller,
    pub doors: Doors,
    /// The home's files and the buckets behind them.
    pub files: FileStore,
    renderer: OnceLock<Arc<Renderer>>,
    bell: watch::Sender<u64>,
    stopping: AtomicBool,
    /// Passes over the mails that are at work in this process, and how many there have been.
    passes: Mutex<(u64, BTreeSet<u64>)>,
}

/// Outside systems of a context.
pub struct Outside {
    pub mail: Arc<dyn MailTransport>,
    pub gateways: BTreeMap<String, Arc<dyn PaymentGateway>>,
    /// Who is told of runs that have ended, if anybody is.
    pub ping: Option<Ping>,
    pub teller: Teller,
    /// Where usage files are shared, if they are.
    pub usage: Option<Bucket>,
    /// Where documents are shared, if they are.
    pub documents: Option<Bucket>,
}

impl std::ops::Deref for Context {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Context {
    /// The same process at other books: those of a backup, which are only looked at. No bucket stands behind them.
    pub fn beside(&self, store: Store, root: PathBuf) -> Self {
        let outside = Outside {
            mail: Arc::clone(&self.mail),
            gateways: self.gateways.clone(),
            ping: None,
            teller: self.teller.clone(),
            usage: None,
            documents: None,
        };
        Self::new(store, Folders::at(root), self.settings.clone(), outside, self.now)
    }

    /// A context for one process.
    pub fn new(
        store: Store,
        folders: Folders,
        settings: Settings,
        outside: Outside,
        now: fn() -> DateTime<Utc>,
    ) -> Self {
        // A process id comes back after a restart; a name must not.
        let nonce = uuid::Uuid::new_v4().simple().to_string();
        let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
        Self(Arc::new(Parts {
            store,
            files: FileStore::new(folders.root.clone(), outside.usage, outside.documents),
            folders,
            settings,
            worker: format!("{}:{}:{}", host.trim(), std::process::id(), &nonce[..6]),
            now,
            mail: outside.mail,
            gateways: outside.gateways,
            ping: outside.ping,
            teller: outside.teller,
            doors: Doors::default(),
            renderer: OnceLock::new(),
            bell: watch::channel(0).0,
            stopping: AtomicBool::new(false),
            passes: Mutex::default(),
        }))
    }

    /// Makes documents and mails; built when it is first needed, from the home's `templates/` where that folder has
    /// something of its own.
    pub fn renderer(&self) -> Result<Arc<Renderer>, TemplateError> {
        if let Some(renderer) = self.renderer.get() {
            return Ok(Arc::clone(renderer));
        }
        let own = self.folders.root.join("templates");
        let templates = if own.is_dir() { Templates::from_folder(&own)? } else { Templates::embedded()? };
        let templates = templates.with_fonts_of(self.settings.fonts_folder.clone());
        let renderer = Arc::new(Renderer::new(&templates)?);
        Ok(Arc::clone(self.renderer.get_or_init(|| renderer)))
    }

    /// The catalogue, or a refusal that says how to load one.
    pub async fn catalogue(&self) -> Result<Arc<Catalogue>, Stop> {
        catalogue(&mut self.store.read().await?).await
    }

    /// Today in the tenant's zone.
    pub async fn today(&self) -> Result<NaiveDate, Stop> {
        Ok(self.today_of(&*self.catalogue().await?))
    }

    /// Today in the zone of this tenant.
    pub(crate) fn today_of(&self, catalogue: &Catalogue) -> NaiveDate {
        domain::zone::local_date((self.now)(), catalogue.tenant.timezone)
    }

    /// Writes in the audit log who did what to which object: the only place that does. In the transaction of the effect,
    /// and only if there is one.
    pub async fn note(
        &self,
        tx: &mut Tx,
        actor: &Actor,
        action: Action,
        object: Object<'_>,
        detail: serde_json::Value,
    ) -> anyhow::Result<()> {
        store::audit::record(tx, (self.now)(), &actor.to_string(), action, &object, &detail).await
    }

    /// Wakes this process's workers: call it after a commit that enqueued something.
    pub fn ring(&self) {
        self.bell.send_modify(|count| *count += 1);
    }

    /// A stream that yields at each [`Self::ring`], and once more a moment later: a fetch that was under way when it rang
    /// may not have seen what was enqueued.
    pub fn bell(&self) -> Bell {
        let receiver = self.bell.subscribe();
        let rings = futures_util::stream::unfold((receiver, false), |(mut receiver, rang)| async move {
            if rang {
                tokio::time::sleep(ECHO).await;
            } else {
                receiver.changed().await.ok()?;
            }
            Some(((), (receiver, !rang)))
        });
        Bell(Box::pin(rings))
    }

    /// Begins a pass over the mails; its name within this process.
    pub fn next_pass(&self) -> u64 {
        let mut passes = self.passes.lock().unwrap_or_else(PoisonError::into_inner);
        passes.0 += 1;
        let pass = passes.0;
        passes.1.insert(pass);
        pass
    }

    /// Whether a pass of this process is at work.
    pub fn is_passing(&self, pass: &str) -> bool {
        let passes = self.passes.lock().unwrap_or_else(PoisonError::into_inner);
        pass.parse().is_ok_and(|pass| passes.1.contains(&pass))
    }

    /// Ends a pass.
    pub fn end_pass(&self, pass: &str) {
        let mut passes = self.passes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Ok(pass) = pass.parse() {
            passes.1.remove(&pass);
        }
    }

    /// Whether another process of this host, by its name, has ended.
    pub(crate) fn has_ended(&self, process: &str) -> bool {
        has_ended(process, &self.worker)
    }

    /// Asks long jobs to stop between two payers; what they have not committed is rolled back.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
    }

    /// Works again after a stop: the same process goes on with another run.
    pub fn resume(&self) {
        self.stopping.store(false, Ordering::SeqCst);
    }

    /// Whether [`Self::stop`] was called.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }
}

/// The catalogue, read in a transaction: who holds one never waits for another.
pub(crate) async fn catalogue(tx: &mut Tx) -> Result<Arc<Catalogue>, Stop> {
    let catalogue = store::catalogue::load(tx).await?;
    Ok(catalogue.map(Arc::new).ok_or_else(empty_book)?)
}

/// The tenant alone, for those who need no plans.
pub(crate) async fn tenant(tx: &mut Tx) -> Result<Tenant, Stop> {
    Ok(store::catalogue::tenant(tx).await?.ok_or_else(empty_book)?)
}

/// There is nothing to work with.
pub fn empty_book() -> Refusal {
    Refusal::new(Code::EmptyBook, "the book is empty")
        .hint("load one first: ")
        .ask(Verb::LoadBook.on("book.json"))
}

/// See [`Context::bell`].
pub struct Bell(Pin<Box<dyn Stream<Item = ()> + Send + Sync>>);

impl Stream for Bell {
    type Item = ();
    fn poll_next(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<()>> {
        self.0.as_mut().poll_next(cx)
    }
}

/// Names are `host:process id:nonce`; a SQLite home is worked from one host, and of any other nothing is known.
fn has_ended(process: &str, own: &str) -> bool {
    let parts = |name: &str| -> Option<(String, String)> {
        let (rest, _nonce) = name.rsplit_once(':')?;
        let (host, pid) = rest.rsplit_once(':')?;
        Some((host.to_owned(), pid.to_owned()))
    };
    match (parts(process), parts(own)) {
        (Some((host, pid)), Some((own_host, own_pid))) => {
            host == own_host && (pid == own_pid || !Path::new("/proc").join(&pid).exists())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_has_ended_is_known_by_its_number() {
        let own = format!("host:{}:abcdef", std::process::id());
        assert!(!has_ended("host:1:123456", &own), "the first process lives");
        assert!(has_ended("host:4194305:123456", &own), "beyond every number that Linux gives");
        assert!(
            has_ended(&format!("host:{}:123456", std::process::id()), &own),
            "its number was given again"
        );
        assert!(!has_ended("other:4194305:123456", &own), "nothing is known of another machine");
    }
}
