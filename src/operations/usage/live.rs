//! Usage that comes over HTTP: what is answered is durable, held against all that was accepted before, and billed by the
//! next run that opens. Requests that come while a commit is under way share the next one.
//!
//! Key that makes a repeat quiet: (source, id) per event, in the table of what waits and in the key index.

use crate::context::Context;
use crate::usage::ingest::Lateness;
use crate::usage::snapshot::Snapshot;
use crate::usage::waiting_line;
use domain::usage::{RawProperties, RawUsage, Reject, RejectCode, shown};
use metering::LiveIntake;
pub use metering::LiveUsage;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use store::idempotency::{self, Answered};
use store::request::Request;
use store::waiting::{self, IntakeVersions, WaitingKey};
use tokio::sync::{mpsc, oneshot};

/// Requests that may stand in line; the next ones wait.
const LINE_MAX: usize = 4_096;
/// Events of one commit, about.
const BATCH_MAX: usize = 10_000;
/// How often a batch is judged again because the book or the usage store moved on.
const TRIES_MAX: u32 = 20;

/// One record as it was sent, each field as text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewUsage {
    pub id: Option<String>,
    pub subject: Option<String>,
    pub meter: Option<String>,
    pub quantity: Option<String>,
    pub time: Option<String>,
    pub source: Option<String>,
    pub corrects: Option<String>,
    /// A flat JSON object.
    pub properties: Option<String>,
}

/// What becomes of a list in which something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Together {
    /// Each record by itself.
    Each,
    /// All of them, or none.
    All,
}

/// What became of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordOutcome {
    Accepted {
        usage: Arc<LiveUsage>,
    },
    /// It is there already, and says the same.
    Duplicate {
        usage: Arc<LiveUsage>,
    },
    Rejected(Reject),
}

/// Why nothing was taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NotTaken {
    /// The database is busy; asking again is safe.
    #[error("the database is busy")]
    Busy,
    #[error("the book is empty")]
    EmptyBook,
    #[error("{0}")]
    Broke(String),
}

/// Makes the answer to a request of what became of its records.
pub type Render = Box<dyn Fn(&[RecordOutcome]) -> Option<Answered> + Send + Sync>;

/// Keeps the answer to a request in the transaction that takes its usage in.
pub struct Keeps {
    pub request: Arc<Request>,
    pub render: Render,
}

struct Submission {
    source: &'static str,
    events: Vec<NewUsage>,
    together: Together,
    keeps: Option<Keeps>,
    reply: oneshot::Sender<Result<Vec<RecordOutcome>, NotTaken>>,
}

/// Takes usage in for as long as it lives.
#[derive(Clone)]
pub struct Live(mpsc::Sender<Submission>);

impl Live {
    /// Starts taking in.
    pub fn start(ctx: Context) -> Self {
        let (line, queue) = mpsc::channel(LINE_MAX);
        tokio::spawn(take_in(ctx, queue));
        Self(line)
    }

    /// Takes records in; answers once what is accepted is durable, one answer per record. `source` is that of records
    /// which name none.
    pub async fn take(
        &self,
        source: &'static str,
        events: Vec<NewUsage>,
        together: Together,
        keeps: Option<Keeps>,
    ) -> Result<Vec<RecordOutcome>, NotTaken> {
        let (reply, answer) = oneshot::channel();
        let gone = |_| NotTaken::Broke("the intake has ended".to_owned());
        self.0.send(Submission { source, events, together, keeps, reply }).await.map_err(|_| gone(()))?;
        answer.await.map_err(|_| gone(()))?
    }
}

async fn take_in(ctx: Context, mut queue: mpsc::Receiver<Submission>) {
    let mut held = None;
    while let Some(first) = queue.recv().await {
        let mut events = first.events.len();
        let mut batch = vec![first];
        while events < BATCH_MAX
            && let Ok(next) = queue.try_recv()
        {
            events += next.events.len();
            batch.push(next);
        }
        let outcome = commit(&ctx, &mut held, &batch).await.map_err(|error| {
            tracing::warn!(error = format!("{error:#}"), "usage could not be taken in");
            held = None;
            match crate::context::is_transient(&error) {
                true => NotTaken::Busy,
                false => NotTaken::Broke(format!("{error:#}")),
            }
        });
        match outcome.and_then(|outcome| outcome) {
            Ok(answers) => {
                for (submission, answer) in batch.into_iter().zip(answers) {
                    drop(submission.reply.send(Ok(answer)));
                }
            }
            Err(error) => {
                for submission in batch {
                    drop(submission.reply.send(Err(error.clone())));
                }
            }
        }
    }
}

/// The book and one version of the usage store, as they are judged against.
struct Book {
    intake: LiveIntake,
    standing: IntakeVersions,
}

impl Book {
    async fn read(ctx: &Context) -> anyhow::Result<Option<Arc<Self>>> {
        let mut tx = ctx.store.read().await?;
        let standing = waiting::standing(&mut tx).await?;
        let is_empty = store::catalogue::load(&mut tx).await?.is_none();
        drop(tx);
        if is_empty {
            return Ok(None);
        }
        let known = Snapshot::read(ctx, Lateness::Judged).await?;
        known.insist_keys(ctx).await?;
        let history: Vec<_> = known.key_runs.iter().map(|run| ctx.folders.root.join(&run.path)).collect();
        let intake = LiveIntake::open(known.subjects, &history, known.seed, known.zone)?;
        Ok(Some(Arc::new(Self { intake, standing })))
    }
}

/// What an intake keeps in memory from one commit to the next.
struct Held {
    book: Arc<Book>,
    waiting: Waiting,
}

/// What waits, by its keys.
#[derive(Default)]
struct Waiting {
    /// Ordinal up to which it is known.
    through: i64,
    contents: HashMap<u128, u64>,
    marks: HashSet<u128>,
}

impl Waiting {
    /// Learns what other servers have added.
    async fn catch_up(&mut self, tx: &mut store::Tx) -> anyhow::Result<()> {
        for (ordinal, keys) in waiting::keys_after(tx, self.through).await? {
            self.add(ordinal, &keys);
        }
        Ok(())
    }

    fn add(&mut self, ordinal: i64, keys: &[WaitingKey]) {
        self.through = ordinal;
        self.contents.extend(keys.iter().map(|known| (known.key, known.content)));
        self.marks.extend(keys.iter().filter_map(|known| known.mark));
    }
}

type Answers = Vec<Vec<RecordOutcome>>;

async fn commit(
    ctx: &Context,
    held: &mut Option<Held>,
    batch: &[Submission],
) -> anyhow::Result<Result<Answers, NotTaken>> {
    for _ in 0..TRIES_MAX {
        let mut current = match held.take() {
            Some(held) => held,
            None => match Book::read(ctx).await? {
                Some(book) => Held { book, waiting: Waiting::default() },
                None => return Ok(Err(NotTaken::EmptyBook)),
            },
        };
        let checked = checked(&current.book, batch);
        let indexed = Indexed::read(&current.book, &checked).await?;
        let mut tx = ctx.store.begin().await?;
        if waiting::lock(&mut tx).await? != current.book.standing {
            continue;
        }
        current.waiting.catch_up(&mut tx).await?;
        let mut judged = Judged::against(indexed, &current.waiting);
        let answers: Answers =
            checked.into_iter().zip(batch).map(|(list, s)| judged.judge(list, s.together)).collect();
        if !judged.accepted.is_empty() {
            let (keys, lines) = judged.added()?;
            let ordinal = waiting::add(&mut tx, &keys, &lines, (ctx.now)()).await?;
            let kept = keep_answers(&mut tx, batch, &answers).await?;
            tx.commit().await?;
            kept.into_iter().for_each(|(request, answered)| request.has_answered(answered));
            current.waiting.add(ordinal, &keys);
        }
        *held = Some(current);
        return Ok(Ok(answers));
    }
    anyhow::bail!("the book and the usage store kept moving on")
}

/// Keeps what is answered to requests under an Idempotency-Key.
async fn keep_answers(
    tx: &mut store::Tx,
    batch: &[Submission],
    answers: &Answers,
) -> anyhow::Result<Vec<(Arc<Request>, Answered)>> {
    let mut kept = Vec::new();
    for (submission, taken) in batch.iter().zip(answers) {
        let Some(Keeps { request, render }) = &submission.keeps else { continue };
        let Some((named, claim)) = request.claim else { continue };
        if !taken.iter().any(|taken| matches!(taken, RecordOutcome::Accepted { .. })) {
            continue;
        }
        let Some(answered) = render(taken) else { continue };
        idempotency::answer(tx, named, claim, &answered).await?;
        kept.push((Arc::clone(request), answered));
    }
    Ok(kept)
}

type Checked = Vec<Result<Arc<LiveUsage>, Reject>>;

/// Each record by itself.
fn checked(book: &Book, batch: &[Submission]) -> Vec<Checked> {
    let one = |submission: &Submission, event: &NewUsage| {
        let raw = RawUsage {
            id: event.id.as_deref(),
            subject: event.subject.as_deref(),
            meter: event.meter.as_deref(),
            quantity: event.quantity.as_deref(),
            time: event.time.as_deref(),
            source: event.source.as_deref(),
            corrects: event.corrects.as_deref(),
            properties: event.properties.as_deref().map_or(RawProperties::Absent, RawProperties::Json),
        };
        book.intake.check(&raw, Some(submission.source)).map(Arc::new)
    };
    batch
        .iter()
        .map(|submission| submission.events.iter().map(|event| one(submission, event)).collect())
        .collect()
}

/// What the key index says of everything that a batch can ask for.
struct Indexed {
    contents: HashMap<u128, u64>,
}

impl Indexed {
    async fn read(book: &Arc<Book>, checked: &[Checked]) -> anyhow::Result<Self> {
        let mut keys: Vec<u128> = of(checked).flat_map(keys_of).collect();
        keys.sort_unstable();
        keys.dedup();
        let book = Arc::clone(book);
        let (keys, found) = tokio::task::spawn_blocking(move || {
            let found = book.intake.known(&keys);
            (keys, found)
        })
        .await?;
        let known = keys.into_iter().zip(found?).filter_map(|(key, content)| Some((key, content?)));
        Ok(Self { contents: known.collect() })
    }
}

/// What stands under which key, and what this batch adds.
struct Judged<'w> {
    indexed: Indexed,
    waiting: &'w Waiting,
    /// Of what this batch adds.
    contents: HashMap<u128, u64>,
    marks: HashSet<u128>,
    accepted: Vec<Arc<LiveUsage>>,
}

impl<'w> Judged<'w> {
    fn against(indexed: Indexed, waiting: &'w Waiting) -> Self {
        Self { indexed, waiting, contents: HashMap::new(), marks: HashSet::new(), accepted: Vec::new() }
    }

    /// The content that stands under a key.
    fn standing(&self, key: u128) -> Option<u64> {
        let all = [&self.indexed.contents, &self.waiting.contents, &self.contents];
        all.into_iter().find_map(|contents| contents.get(&key)).copied()
    }

    /// Whether the event that a correction marks is corrected.
    fn is_marked(&self, mark: u128) -> bool {
        self.indexed.contents.contains_key(&mark)
            || self.waiting.marks.contains(&mark)
            || self.marks.contains(&mark)
    }

    fn judge(&mut self, list: Checked, together: Together) -> Vec<RecordOutcome> {
        let before = self.accepted.len();
        let answers: Vec<RecordOutcome> = list.into_iter().map(|one| self.judge_one(one)).collect();
        let is_refused = answers.iter().any(|answer| matches!(answer, RecordOutcome::Rejected(_)));
        if together == Together::All && is_refused {
            for usage in self.accepted.drain(before..) {
                self.contents.remove(&usage.key);
                if let Some(target) = usage.target {
                    self.marks.remove(&target.mark);
                }
            }
        }
        answers
    }

    fn judge_one(&mut self, one: Result<Arc<LiveUsage>, Reject>) -> RecordOutcome {
        let usage = match one {
            Ok(usage) => usage,
            Err(reject) => return RecordOutcome::Rejected(reject),
        };
        match self.standing(usage.key) {
            Some(content) if content == usage.content => return RecordOutcome::Duplicate { usage },
            Some(_) => return RecordOutcome::Rejected(conflict(&usage.id)),
            None => {}
        }
        if let Some(target) = usage.target {
            if self.standing(target.key).is_none() || self.is_marked(target.mark) {
                return RecordOutcome::Rejected(stale(&usage.corrects));
            }
            self.marks.insert(target.mark);
        }
        self.contents.insert(usage.key, usage.content);
        self.accepted.push(Arc::clone(&usage));
        RecordOutcome::Accepted { usage }
    }

    /// Keys and lines of what this batch adds.
    fn added(&self) -> anyhow::Result<(Vec<WaitingKey>, String)> {
        let key = |usage: &Arc<LiveUsage>| WaitingKey {
            key: usage.key,
            content: usage.content,
            mark: usage.target.map(|target| target.mark),
        };
        let mut lines = Vec::new();
        for usage in &self.accepted {
            waiting_line::write(&mut lines, usage)?;
        }
        Ok((self.accepted.iter().map(key).collect(), String::from_utf8(lines)?))
    }
}

fn of(checked: &[Checked]) -> impl Iterator<Item = &Arc<LiveUsage>> {
    checked.iter().flatten().filter_map(|one| one.as_ref().ok())
}

/// Every key that judging this event can ask for.
fn keys_of(usage: &Arc<LiveUsage>) -> impl Iterator<Item = u128> {
    let target = usage.target.map(|target| [target.key, target.mark]);
    std::iter::once(usage.key).chain(target.into_iter().flatten())
}

fn conflict(id: &str) -> Reject {
    let text =
        format!("id {} was accepted before with another content: correct it under a new id", shown(id));
    Reject::new(RejectCode::Conflict, text)
}

fn stale(corrects: &str) -> Reject {
    let text =
        format!("corrects {} is not the latest accepted version of an event of this source", shown(corrects));
    Reject::new(RejectCode::StaleCorrection, text)
}
