//! What a request over HTTP wants of the transactions that it writes in: that its object is still as it was read, once what
//! it changes is held; and that the answer is there together with the effect. Inside [`within`] every transaction that
//! writes marks the row of the request first; a claim that somebody else has taken over lets nothing be written any more.

use crate::idempotency::{self, Answered, Named};
use crate::lent::while_lent;
use crate::tx::Tx;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use uuid::Uuid;

/// Something that is found out later.
pub type Later<T> = Pin<Box<dyn Future<Output = T> + Send>>;
/// Gives the answer to what was done, with the id of what was made; none if it cannot be shown.
pub type Answers = Box<dyn Fn(Option<Uuid>) -> Later<Option<Answered>> + Send + Sync>;
/// Fails if the object is not as it was read.
pub type Holds = Box<dyn Fn() -> Later<anyhow::Result<()>> + Send + Sync>;

/// A request at work.
pub struct Request {
    /// Under which key it is asked, with the claim on it; none if it has no Idempotency-Key.
    pub claim: Option<(Named, Uuid)>,
    /// Both read the books as ever, and see them as the transaction has them.
    pub holds: Option<Holds>,
    pub answers: Answers,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    /// The object was found as it was read, under the locks of a transaction.
    is_held: bool,
    /// The next commit is not the end of it.
    goes_on: bool,
    made: Option<Uuid>,
    /// The same of what has an id of another kind.
    called: Option<String>,
    answered: Option<Answered>,
}

tokio::task_local! {
    /// What this task works on; none while it does something beside.
    static AT_WORK: Option<Arc<Request>>;
}

impl Request {
    pub fn new(claim: Option<(Named, Uuid)>, holds: Option<Holds>, answers: Answers) -> Self {
        Self { claim, holds, answers, progress: Mutex::default() }
    }

    /// What was made, by an id that is none of ours.
    pub fn called(&self) -> Option<String> {
        self.progress().called.clone()
    }

    /// The answer that was kept with the effect.
    pub fn answered(&self) -> Option<Answered> {
        self.progress().answered.clone()
    }

    /// The answer was kept, by another task that has done what is asked.
    pub fn has_answered(&self, answered: Answered) {
        self.progress().answered = Some(answered);
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn insist(&self, tx: &mut Tx) -> anyhow::Result<()> {
        match &self.holds {
            Some(holds) if !self.progress().is_held => while_lent(tx, holds()).await?,
            _ => Ok(()),
        }
    }
}

/// Does some work for a request.
pub async fn within<W: Future>(request: Arc<Request>, work: W) -> W::Output {
    AT_WORK.scope(Some(request), work).await
}

/// Does some work that a request needs and does not ask for.
pub async fn beside<W: Future>(work: W) -> W::Output {
    AT_WORK.scope(None, work).await
}

/// What this task works on; none if nothing, or something beside.
pub fn at_work() -> Option<Arc<Request>> {
    AT_WORK.try_with(Clone::clone).ok().flatten()
}

/// A transaction that writes has begun.
pub(crate) async fn begun(tx: &mut Tx) -> anyhow::Result<()> {
    let Some(request) = at_work() else { return Ok(()) };
    if let Some((named, claim)) = request.claim {
        idempotency::mark(tx, named, claim).await?;
    }
    // On PostgreSQL nothing is held yet: it is asked again under the locks.
    request.insist(tx).await?;
    if tx.is_sqlite() {
        request.progress().is_held = true;
    }
    Ok(())
}

/// Nobody else can change what this transaction changes from here on.
pub(crate) async fn held(tx: &mut Tx) -> anyhow::Result<()> {
    let Some(request) = at_work() else { return Ok(()) };
    request.insist(tx).await?;
    request.progress().is_held = true;
    Ok(())
}

/// Says what the request has made, in the transaction that makes it.
pub async fn made(tx: &mut Tx, id: Uuid) -> anyhow::Result<()> {
    let Some(request) = at_work() else { return Ok(()) };
    request.progress().made = Some(id);
    match request.claim {
        Some((named, claim)) => idempotency::made(tx, named, claim, id).await,
        None => Ok(()),
    }
}

/// The same of what has an id of another kind.
pub fn made_called(id: &str) {
    if let Some(request) = at_work() {
        request.progress().called = Some(id.to_owned());
    }
}

/// What the next commit does is not all that was asked: the answer comes with a later one.
pub fn goes_on() {
    if let Some(request) = at_work() {
        request.progress().goes_on = true;
    }
}

/// Keeps the answer to what is about to be committed.
pub(crate) async fn answer(tx: &mut Tx) -> anyhow::Result<()> {
    let Some(request) = at_work() else { return Ok(()) };
    let Some((named, claim)) = request.claim else { return Ok(()) };
    let (goes_on, made) = {
        let mut progress = request.progress();
        (std::mem::take(&mut progress.goes_on), progress.made)
    };
    if goes_on {
        return Ok(());
    }
    let Some(answered) = while_lent(tx, (request.answers)(made)).await? else { return Ok(()) };
    idempotency::answer(tx, named, claim, &answered).await?;
    request.progress().answered = Some(answered);
    Ok(())
}
