//! Usage as OpenMeter's clients read it (routes C2 to C4): events, meters, and what a meter has counted by window.

use crate::answer::Answer;
use crate::call::Call;
use crate::doc::{Doc, Gives, QueryDoc, Type, field, member};
use crate::json::Tree;
use crate::problem::{METER_NOT_FOUND, Problem, bad_query};
use crate::route::Route;
use chrono::{Datelike, TimeZone, Timelike};
use domain::api_key::Scope;
use domain::catalogue::{Aggregation, Catalogue};
use domain::query::Kind;
use domain::{DateTime, Decimal, Utc};
use http::Method;
use operations::usage::list::{self, UsageFilter, UsageRecord};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

const EVENTS: Doc = Doc::new(
    "Events as they stand",
    Gives::List(&[
        member("event", Type::Object(crate::openmeter::EVENT), ""),
        field("ingestedAt", Kind::Instant, ""),
        field("storedAt", Kind::Instant, ""),
    ]),
)
.query(QueryDoc::Events);
const METERS: Doc = Doc::new(
    "Meters of the plans",
    Gives::List(&[
        field("id", Kind::Text, ""),
        field("slug", Kind::Text, ""),
        field("name", Kind::Text, ""),
        field("description", Kind::Text, ""),
        field("aggregation", Kind::Text, "SUM, COUNT, MAX, UNIQUE_COUNT or LATEST"),
        field("eventType", Kind::Text, ""),
        field("valueProperty", Kind::Text, ""),
        member("groupBy", Type::Named(&Type::Value(Kind::Text)), ""),
    ]),
);
const QUERY: Doc = Doc::new(
    "What a meter has counted, by window",
    Gives::Fields(&[
        field("from", Kind::Instant, ""),
        field("to", Kind::Instant, ""),
        field("windowSize", Kind::Text, ""),
        member(
            "data",
            Type::Objects(&[
                field("value", Kind::Exact, ""),
                field("windowStart", Kind::Instant, ""),
                field("windowEnd", Kind::Instant, ""),
                field("subject", Kind::Text, ""),
                member("groupBy", Type::Named(&Type::Value(Kind::Text)), ""),
            ]),
            "",
        ),
    ]),
)
.query(QueryDoc::MeterWindows);

/// Events of one answer.
const EVENTS_MAX: usize = 100;
/// Windows of one answer.
const ROWS_MAX: usize = 100_000;

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::GET, "/api/v1/events", Scope::Read, EVENTS, events),
        Route::new(Method::GET, "/api/v1/meters", Scope::Read, METERS, meters),
        Route::new(Method::GET, "/api/v1/meters/{meterIdOrSlug}/query", Scope::Read, QUERY, query),
    ]
}

fn only(call: &Call, known: &[&str]) -> Result<(), Problem> {
    for (name, _) in &call.query {
        let plain = name.trim_end_matches("[]");
        if !known.iter().any(|known| known.eq_ignore_ascii_case(plain)) && !plain.starts_with("filterGroupBy")
        {
            return Err(bad_query(name, "cannot be asked here".to_owned()));
        }
    }
    Ok(())
}

async fn events(call: Call) -> Result<Answer, Problem> {
    only(
        &call,
        &["from", "to", "subject", "id", "limit", "ingestedAtFrom", "ingestedAtTo", "hasError", "customerId"],
    )?;
    let limit = match call.asked("limit") {
        None => EVENTS_MAX,
        Some(text) => match text.parse::<usize>() {
            Ok(limit) if (1..=EVENTS_MAX).contains(&limit) => limit,
            _ => return Err(bad_query("limit", format!("`{text}` is not within 1 and {EVENTS_MAX}"))),
        },
    };
    let asked = UsageFilter {
        subject: call.asked("subject").map(str::to_owned),
        event: call.asked("id").map(str::to_owned),
        from_us: call.instant("from")?.map(|at| at.timestamp_micros()),
        to_us: call.instant("to")?.map(|at| at.timestamp_micros()),
        ..UsageFilter::default()
    };
    let found = list::list(call.ctx(), &asked, 0, limit).await?;
    let one = |usage: &UsageRecord| {
        let at = Tree::instant(DateTime::from_timestamp_micros(usage.time_us).unwrap_or_default());
        let mut data = match Tree::written_json(&usage.properties) {
            Tree::Object(members) => members,
            _ => Vec::new(),
        };
        data.push(("value".into(), Tree::Exact(usage.amount.to_string())));
        let event = Tree::object([
            ("id", Tree::text(&usage.event)),
            ("source", Tree::text(&usage.source)),
            ("specversion", Tree::text("1.0")),
            ("type", Tree::text(&usage.meter)),
            ("subject", Tree::text(&usage.subject)),
            ("time", at.clone()),
            ("data", Tree::Object(data)),
        ]);
        Tree::object([("event", event), ("ingestedAt", at.clone()), ("storedAt", at)])
    };
    Ok(Answer::ok(Tree::List(found.iter().map(one).collect())))
}

/// Meters of the plans, each with how its events become one quantity.
fn all(catalogue: &Catalogue) -> BTreeMap<&str, Aggregation> {
    let charges =
        catalogue.plans.values().flat_map(|plan| &plan.charges).filter(|charge| charge.is_metered());
    charges.map(|charge| (charge.meter.as_str(), charge.aggregation)).collect()
}

fn aggregation_name(aggregation: Aggregation) -> &'static str {
    match aggregation {
        Aggregation::Average => "AVG",
        Aggregation::Lowest => "MIN",
        Aggregation::Highest => "MAX",
        Aggregation::Last => "LATEST",
        Aggregation::UniqueCount => "UNIQUE_COUNT",
        Aggregation::Count => "COUNT",
        _ => "SUM",
    }
}

async fn meters(call: Call) -> Result<Answer, Problem> {
    let catalogue = call.ctx().catalogue().await?;
    let meter = |(slug, aggregation): (&str, Aggregation)| {
        Tree::object([
            ("id", Tree::text(slug)),
            ("slug", Tree::text(slug)),
            ("name", Tree::text(slug)),
            ("description", Tree::Null),
            ("aggregation", Tree::text(aggregation_name(aggregation))),
            ("eventType", Tree::text(slug)),
            ("valueProperty", Tree::text("$.value")),
            ("groupBy", Tree::Object(Vec::new())),
        ])
    };
    Ok(Answer::ok(Tree::List(all(&catalogue).into_iter().map(meter).collect())))
}

/// A window in a zone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Size {
    Minute,
    Hour,
    Day,
    Month,
}

impl Size {
    fn read(text: &str) -> Option<Self> {
        Some(match text.to_ascii_uppercase().as_str() {
            "MINUTE" => Self::Minute,
            "HOUR" => Self::Hour,
            "DAY" => Self::Day,
            "MONTH" => Self::Month,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Minute => "MINUTE",
            Self::Hour => "HOUR",
            Self::Day => "DAY",
            Self::Month => "MONTH",
        }
    }

    /// First and last instant of the window that an instant lies in.
    fn around(self, at: DateTime<Utc>, zone: chrono_tz::Tz) -> (DateTime<Utc>, DateTime<Utc>) {
        let local = at.with_timezone(&zone);
        let date = local.date_naive();
        let midnight = |date: domain::NaiveDate| domain::zone::start_of_day(date, zone);
        match self {
            Self::Minute | Self::Hour => {
                let seconds = if self == Self::Minute { 60 } else { 3_600 };
                // Offsets that are no whole hours: windows follow the clock on the wall.
                let into =
                    if self == Self::Minute { local.second() } else { local.minute() * 60 + local.second() };
                let start = at.timestamp() - i64::from(into);
                let instant = |seconds| Utc.timestamp_opt(seconds, 0).single().unwrap_or(at);
                (instant(start), instant(start + seconds))
            }
            Self::Day => (midnight(date), midnight(domain::period::plus_days(date, 1))),
            Self::Month => {
                let first = date.with_day(1).unwrap_or(date);
                (midnight(first), midnight(domain::period::plus_months(first, 1, 1)))
            }
        }
    }
}

/// What is folded of a window.
#[derive(Default, Clone)]
struct Sum {
    count: u64,
    total: Decimal,
    least: Option<Decimal>,
    most: Option<Decimal>,
    last: Option<(i64, Decimal)>,
    values: BTreeSet<Decimal>,
}

impl Sum {
    fn add(&mut self, usage: &UsageRecord) {
        let amount = usage.amount;
        self.count += 1;
        self.total = self.total.checked_add(amount).unwrap_or(self.total);
        self.least = Some(self.least.map_or(amount, |known| known.min(amount)));
        self.most = Some(self.most.map_or(amount, |known| known.max(amount)));
        if self.last.is_none_or(|(at, _)| at <= usage.time_us) {
            self.last = Some((usage.time_us, amount));
        }
        self.values.insert(amount);
    }

    fn value(&self, aggregation: Aggregation) -> Decimal {
        match aggregation {
            Aggregation::Average if self.count > 0 => {
                self.total.checked_div(Decimal::from(self.count)).unwrap_or_default()
            }
            Aggregation::Lowest => self.least.unwrap_or_default(),
            Aggregation::Highest => self.most.unwrap_or_default(),
            Aggregation::Last => self.last.map(|(_, amount)| amount).unwrap_or_default(),
            Aggregation::Count => Decimal::from(self.count),
            Aggregation::UniqueCount => Decimal::from(self.values.len()),
            _ => self.total,
        }
    }
}

type Key = (Option<DateTime<Utc>>, Option<String>, Vec<(String, Option<String>)>);

/// What a query of a meter asks for.
struct MeterQuery {
    meter: String,
    aggregation: Aggregation,
    from: Option<DateTime<Utc>>,
    to: Option<DateTime<Utc>>,
    size: Option<Size>,
    zone: chrono_tz::Tz,
    subjects: Vec<String>,
    groups: Vec<String>,
}

impl MeterQuery {
    async fn read(call: &Call) -> Result<Self, Problem> {
        only(
            call,
            &[
                "from",
                "to",
                "windowSize",
                "windowTimeZone",
                "subject",
                "groupBy",
                "clientId",
                "filterCustomerId",
            ],
        )?;
        let meter = call.part("meterIdOrSlug").to_owned();
        let catalogue = call.ctx().catalogue().await?;
        let Some(aggregation) = all(&catalogue).get(meter.as_str()).copied() else {
            return Err(Problem::new(METER_NOT_FOUND, format!("no plan counts a meter `{meter}`"))
                .or("`GET /api/v1/meters` lists what there is"));
        };
        let size = match call.asked("windowSize") {
            None => None,
            Some(text) => Some(Size::read(text).ok_or_else(|| {
                bad_query("windowSize", format!("`{text}` is none of MINUTE, HOUR, DAY and MONTH"))
            })?),
        };
        let zone = call.asked("windowTimeZone").unwrap_or("UTC");
        let zone = zone
            .parse()
            .map_err(|_| bad_query("windowTimeZone", format!("`{zone}` is no zone of the IANA database")))?;
        Ok(Self {
            meter,
            aggregation,
            from: call.instant("from")?,
            to: call.instant("to")?,
            size,
            zone,
            subjects: many(call, "subject"),
            groups: many(call, "groupBy"),
        })
    }

    /// As far as the store can narrow it.
    fn filter(&self) -> UsageFilter {
        let subject = match self.subjects.as_slice() {
            [one] => Some(one.clone()),
            _ => None,
        };
        UsageFilter {
            meter: Some(self.meter.clone()),
            subject,
            from_us: self.from.map(|at| at.timestamp_micros()),
            to_us: self.to.map(|at| at.timestamp_micros()),
            ..UsageFilter::default()
        }
    }

    /// The row in which a record is summed.
    fn key(&self, usage: &UsageRecord) -> Key {
        let at = DateTime::from_timestamp_micros(usage.time_us).unwrap_or_default();
        let properties = domain::book_file::read_body(&usage.properties).ok();
        let grouped = self.groups.iter().filter(|group| *group != "subject").map(|group| {
            let text = match properties.as_ref().and_then(|all| all.member(group)) {
                Some(domain::book_file::Node::Text(text)) => Some(text.clone()),
                _ => None,
            };
            (group.clone(), text)
        });
        let by_subject = !self.subjects.is_empty() || self.groups.iter().any(|group| group == "subject");
        let window = self.size.map(|size| size.around(at, self.zone).0);
        (window, by_subject.then(|| usage.subject.clone()), grouped.collect())
    }

    fn row(&self, (window, subject, groups): &Key, sum: &Sum, whole: (DateTime<Utc>, DateTime<Utc>)) -> Tree {
        let (from, to) = match (window, self.size) {
            (Some(window), Some(size)) => size.around(*window, self.zone),
            _ => whole,
        };
        let value = |text: &Option<String>| Tree::optional(text.as_deref());
        let groups = groups.iter().map(|(name, text)| (name.clone().into(), value(text)));
        Tree::object([
            ("value", Tree::Exact(sum.value(self.aggregation).normalize().to_string())),
            ("windowStart", Tree::instant(from)),
            ("windowEnd", Tree::instant(to)),
            ("subject", value(subject)),
            ("groupBy", Tree::Object(groups.collect())),
        ])
    }
}

/// The values of a parameter that may come several times, or with commas between them.
fn many(call: &Call, name: &str) -> Vec<String> {
    let sent = call.query.iter().filter(|(known, _)| known.trim_end_matches("[]").eq_ignore_ascii_case(name));
    let values = sent.flat_map(|(_, value)| value.split(','));
    values.filter(|value| !value.is_empty()).map(str::to_owned).collect()
}

/// Route C4. Without parameters: everything there is, in one row.
async fn query(call: Call) -> Result<Answer, Problem> {
    let asked = Arc::new(MeterQuery::read(&call).await?);
    let begin: (BTreeMap<Key, Sum>, Option<i64>) = (BTreeMap::new(), None);
    let of = Arc::clone(&asked);
    let gather = move |gathered: &mut (BTreeMap<Key, Sum>, Option<i64>), usage: UsageRecord| {
        if !of.subjects.is_empty() && !of.subjects.contains(&usage.subject) {
            return ControlFlow::Continue(());
        }
        gathered.1 = Some(gathered.1.map_or(usage.time_us, |first| first.min(usage.time_us)));
        gathered.0.entry(of.key(&usage)).or_default().add(&usage);
        if gathered.0.len() < ROWS_MAX { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let (mut rows, first) = list::fold(call.ctx(), &asked.filter(), begin, gather).await?;
    let now = (call.ctx().now)();
    let start = asked.from.or_else(|| first.and_then(DateTime::from_timestamp_micros)).unwrap_or(now);
    let end = asked.to.unwrap_or(now);
    if rows.is_empty() && asked.size.is_none() {
        rows.insert((None, None, Vec::new()), Sum::default());
    }
    let rows = rows.iter().map(|(key, sum)| asked.row(key, sum, (start, end)));
    Ok(Answer::ok(Tree::object([
        ("from", Tree::instant(start)),
        ("to", Tree::instant(end)),
        ("windowSize", asked.size.map_or(Tree::Null, |size| Tree::text(size.name()))),
        ("data", Tree::List(rows.collect())),
    ])))
}
