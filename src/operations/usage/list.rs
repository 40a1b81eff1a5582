//! Usage as it stands, event by event: what is in segments, and what came over HTTP and waits.

use crate::context::Context;
use crate::files::file_store::Named;
use crate::refusal::Stop;
use crate::usage::measure::segment_ref;
use crate::usage::waiting_line::{self, WaitingEvent};
use domain::Decimal;
use domain::decimal::from_quantity9;
use metering::{Chains, EventFilter, ListedEvent, Newer, SegmentRef};
use std::collections::HashMap;
use std::ops::ControlFlow;
use store::waiting::Pack;
use store::{meta, segment, subject, waiting};
use uuid::Uuid;

/// An event as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsageRecord {
    /// Of the event that was there first.
    pub id: Uuid,
    /// 1, and one more for each correction.
    pub version: u32,
    pub amount: Decimal,
    pub time_us: i64,
    /// Number of the subscription.
    pub subject: String,
    /// Reference of the charge, where the event named one.
    pub charge: Option<Uuid>,
    pub meter: String,
    /// The event's own id, that of its newest version.
    pub event: String,
    pub source: String,
    /// Canonical JSON; empty if there are none.
    pub properties: String,
    /// What came over HTTP and is in no segment yet.
    pub waits: bool,
}

/// Which events.
#[derive(Debug, Clone, Default)]
pub struct UsageFilter {
    pub id: Option<Uuid>,
    /// Reference of a charge: its events, and those of its subscription and meter that name no charge.
    pub charge: Option<Uuid>,
    /// Number of a subscription.
    pub subject: Option<String>,
    pub meter: Option<String>,
    pub source: Option<String>,
    pub event: Option<String>,
    pub from_us: Option<i64>,
    pub to_us: Option<i64>,
}

/// Events in the order in which they came in, what waits last.
pub async fn list(
    ctx: &Context,
    asked: &UsageFilter,
    skip: usize,
    top: usize,
) -> Result<Vec<UsageRecord>, Stop> {
    let gather = move |gathered: &mut (usize, Vec<UsageRecord>), record| {
        gathered.0 += 1;
        if gathered.0 > skip && gathered.1.len() < top {
            gathered.1.push(record);
        }
        if gathered.1.len() < top { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    Ok(fold(ctx, asked, (0, Vec::new()), gather).await?.1)
}

/// Folds the events of what is asked, in the order in which they came in, until it is enough.
pub async fn fold<S: Send + 'static>(
    ctx: &Context,
    asked: &UsageFilter,
    begin: S,
    step: impl Fn(&mut S, UsageRecord) -> ControlFlow<()> + Send + 'static,
) -> Result<S, Stop> {
    let Some(snapshot) = Snapshot::read(ctx, asked).await? else { return Ok(begin) };
    let folding = move || {
        let mut state = begin;
        snapshot.visit(&mut |record| step(&mut state, record))?;
        Ok::<S, anyhow::Error>(state)
    };
    Ok(tokio::task::spawn_blocking(folding).await.map_err(anyhow::Error::from)??)
}

/// What is read at one moment.
struct Snapshot {
    segments: Vec<SegmentRef>,
    waiting: Vec<Pack>,
    seed: u128,
    filter: EventFilter,
    /// Number of a subscription by its number in the store, and the other way round.
    names: HashMap<u32, String>,
    /// Reference, subscription and meter by the number of a charge.
    charges: HashMap<u32, Uuid>,
    charge_numbers: HashMap<Uuid, (u32, u32)>,
}

impl Snapshot {
    /// None if what is asked for names nothing.
    async fn read(ctx: &Context, asked: &UsageFilter) -> anyhow::Result<Option<Self>> {
        let mut tx = ctx.store.read().await?;
        // Without a seed nothing was ever brought in.
        let Some(seed) = meta::known_key_seed(&mut tx).await? else { return Ok(None) };
        let version = segment::version(&mut tx).await?;
        let named = segment::visible_at(&mut tx, version).await?;
        let waiting = waiting::packs(&mut tx, i64::MAX).await?;
        let mut names = HashMap::new();
        let (mut charges, mut charge_numbers) = (HashMap::new(), HashMap::new());
        for known in subject::all(&mut tx).await? {
            for charge in &known.charges {
                charges.insert(charge.no, charge.reference.0);
                charge_numbers.insert(charge.reference.0, (charge.no, known.no));
            }
            names.insert(known.no, known.number);
        }
        drop(tx);
        let mut filter = EventFilter {
            meter: asked.meter.clone(),
            source: asked.source.clone(),
            id: asked.event.clone(),
            key: asked.id.map(|id| id.as_u128()),
            from_us: asked.from_us,
            to_us: asked.to_us,
            ..EventFilter::default()
        };
        if let Some(reference) = asked.charge {
            let Some((charge, subscription)) = charge_numbers.get(&reference) else { return Ok(None) };
            filter.charge = Some(*charge);
            filter.subscriptions = Some(vec![*subscription]);
        }
        if let Some(number) = &asked.subject {
            let found = names.iter().find(|(_, name)| *name == number);
            let Some((no, _)) = found else { return Ok(None) };
            filter.subscriptions = Some(vec![*no]);
        }
        ctx.files.need(named.iter().map(Named::from)).await?;
        let segments = named.iter().map(|s| segment_ref(ctx, s)).collect::<anyhow::Result<_>>()?;
        Ok(Some(Self { segments, waiting, seed, filter, names, charges, charge_numbers }))
    }

    fn visit(&self, seen: &mut dyn FnMut(UsageRecord) -> ControlFlow<()>) -> anyhow::Result<()> {
        let lines = self.waiting.iter().flat_map(|pack| pack.lines.lines());
        let waiting = lines.map(waiting_line::read).collect::<anyhow::Result<Vec<WaitingEvent>>>()?;
        let newer: Vec<Newer> = waiting
            .iter()
            .map(|event| Newer {
                source: event.source.clone(),
                id: event.id.clone(),
                corrects: event.corrects.clone(),
            })
            .collect();
        let chains = Chains::read(&self.segments, &newer, self.seed)?;
        let by_number: HashMap<&str, u32> =
            self.names.iter().map(|(no, name)| (name.as_str(), *no)).collect();
        let mut flow = ControlFlow::Continue(());
        metering::visit_events(&self.segments, &chains, &self.filter, &mut |event| {
            flow = seen(self.record(&event, None));
            flow
        })?;
        for event in &waiting {
            if flow.is_break() {
                break;
            }
            let Some(listed) = self.listed(event, &chains, &by_number) else { continue };
            if self.filter.means(&listed, &chains) {
                flow = seen(self.record(&listed, Some(event)));
            }
        }
        Ok(())
    }

    /// An event that waits, as if it were in a segment; none if it is corrected.
    fn listed(
        &self,
        event: &WaitingEvent,
        chains: &Chains,
        by_number: &HashMap<&str, u32>,
    ) -> Option<ListedEvent> {
        if chains.is_corrected(&event.source, &event.id) {
            return None;
        }
        let charge =
            event.subject.parse::<Uuid>().ok().and_then(|reference| self.charge_numbers.get(&reference));
        let (charge_no, subscription_no) = match charge {
            Some((charge, subscription)) => (*charge, *subscription),
            None => (0, by_number.get(event.subject.as_str()).copied().unwrap_or(0)),
        };
        let (key, corrections) = chains.first(&event.source, &event.id);
        Some(ListedEvent {
            key,
            corrections,
            source: event.source.clone(),
            id: event.id.clone(),
            subscription_no,
            charge_no,
            meter: event.meter.clone(),
            quantity: domain::decimal::parse_quantity9(event.quantity.to_string().as_bytes()).ok()?,
            time_us: event.time_us,
            properties: event.properties.clone(),
            corrects: event.corrects.clone(),
        })
    }

    fn record(&self, event: &ListedEvent, waits: Option<&WaitingEvent>) -> UsageRecord {
        let subject = self.names.get(&event.subscription_no).cloned();
        UsageRecord {
            id: Uuid::from_u128(event.key),
            version: event.corrections + 1,
            amount: from_quantity9(event.quantity),
            time_us: event.time_us,
            subject: subject.or_else(|| waits.map(|event| event.subject.clone())).unwrap_or_default(),
            charge: self.charges.get(&event.charge_no).copied(),
            meter: event.meter.clone(),
            event: event.id.clone(),
            source: event.source.clone(),
            properties: event.properties.clone(),
            waits: waits.is_some(),
        }
    }
}
