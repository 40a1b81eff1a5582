//! Usage, a record or a list (route T1).

use crate::answer::Answer;
use crate::body::{Body, Faults};
use crate::call::Call;
use crate::doc::{Doc, Field, Gives, QueryDoc, Type, field, member, required};
use crate::json::Tree;
use crate::once;
use crate::problem::{
    BUSY, EMPTY_BOOK, INTERNAL, INVALID, MALFORMED, Problem, TOO_LARGE, UNREADABLE, USAGE_CONFLICT,
};
use crate::route::{Reads, Route};
use domain::DateTime;
use domain::api_key::Scope;
use domain::book_file::Node;
use domain::query::Kind;
use domain::usage::{Reject, RejectCode};
use http::{Method, StatusCode};
use operations::usage::live::{LiveUsage, NewUsage, NotTaken, RecordOutcome, Together};
use operations::usage::stream;
use uuid::Uuid;

/// Bytes of a list.
pub const LIST_BYTES_MAX: usize = 4 << 20;
/// Records of a list.
pub const LIST_MAX: usize = 1_000;
/// Source of what names none.
const SOURCE: &str = "api";

const FIELDS: &[&str] = &[
    "Amount",
    "EntryDate",
    "ReferenceID",
    "SubscriptionChargeID",
    "Subject",
    "Meter",
    "RefKey",
    "Source",
    "Properties",
    "Corrects",
    // What a client has read and sends back.
    "ID",
    "Version",
    "Late",
    "Status",
    "CreatedBy",
    "CreatedDate",
    "ModifiedBy",
    "ModifiedDate",
];

/// A record as it was taken.
const RECORD: &[Field] = &[
    field("ID", Kind::Guid, ""),
    field("Amount", Kind::Exact, ""),
    field("EntryDate", Kind::Instant, ""),
    field("ReferenceID", Kind::Guid, ""),
    field("SubscriptionChargeID", Kind::Guid, ""),
    field("Subject", Kind::Text, ""),
    field("Meter", Kind::Text, ""),
    field("RefKey", Kind::Text, ""),
    field("Source", Kind::Text, ""),
    member("Properties", Type::Any, ""),
    field("Corrects", Kind::Text, ""),
    field("Late", Kind::Flag, "its period is billed"),
];
/// What became of a list.
const TAKEN: &[Field] = &[
    field("Import", Kind::Int, ""),
    field("Read", Kind::Int, ""),
    field("Accepted", Kind::Int, ""),
    field("Duplicate", Kind::Int, ""),
    field("Rejected", Kind::Int, ""),
    field("Late", Kind::Int, "accepted, of periods that are billed"),
    member(
        "Items",
        Type::Objects(&[
            field("ID", Kind::Guid, ""),
            field("RefKey", Kind::Text, ""),
            field("State", Kind::Text, "accepted, duplicate or rejected"),
            field("Code", Kind::Text, "why not"),
            field("Message", Kind::Text, ""),
        ]),
        "in the order of the list",
    ),
];

const CREATE: Doc = Doc::new("Bring in usage: a record, or a list of them", Gives::Either(RECORD, TAKEN))
    .takes(&[
        required("Amount", Kind::Exact, "how much"),
        required("EntryDate", Kind::Instant, "when it was used"),
        field("ReferenceID", Kind::Guid, "charge that it counts for, instead of Subject and Meter"),
        field("SubscriptionChargeID", Kind::Guid, "the same"),
        field("Subject", Kind::Text, "number of a subscription, or of an account"),
        field("Meter", Kind::Text, "what is counted"),
        field("RefKey", Kind::Text, "the event's own id: the same again adds nothing"),
        field("Source", Kind::Text, "whose ids these are; api unless given"),
        field("Corrects", Kind::Text, "id of the event that this one replaces"),
        member("Properties", Type::Any, "an object of texts and numbers"),
    ])
    .or_lists()
    .success(201)
    .or(200);

/// Bytes of a file.
const FILE_BYTES_MAX: u64 = 4 << 30;

const IMPORT: Doc = Doc::new(
    "Bring in a usage file as the body: NDJSON, CSV or Parquet, plain, gzip or zstd; ?source= and ?dryrun=true",
    Gives::Fields(&[
        field("Import", Kind::Int, ""),
        field("Read", Kind::Int, ""),
        field("Accepted", Kind::Int, ""),
        field("Duplicate", Kind::Int, ""),
        field("Rejected", Kind::Int, ""),
        field("Late", Kind::Int, ""),
        field("RejectFile", Kind::Text, "what was refused, with the reasons"),
        member("Rejects", Type::Named(&Type::Value(Kind::Int)), "how many for which reason"),
    ]),
)
.media("application/octet-stream")
.query(QueryDoc::Import)
.success(201)
.or(200);

pub fn routes() -> Vec<Route> {
    vec![
        Route::new(Method::POST, "/v3/usagedata", Scope::Usage, CREATE, create)
            .reads(Reads::Whole(LIST_BYTES_MAX)),
        Route::new(Method::POST, "/v3/usagedata/import", Scope::Usage, IMPORT, import)
            .reads(Reads::Received(FILE_BYTES_MAX)),
    ]
}

/// Route T2: the same intake as a file's, whose bytes are its name.
async fn import(call: Call) -> Result<Answer, Problem> {
    let Some(received) = &call.received else {
        return Err(anyhow::anyhow!("the body is not in a file").into());
    };
    let is_dry = call.flag("dryrun")?;
    let source = call.asked("source").map(str::to_owned).filter(|source| !source.is_empty());
    let brought = stream::bring_in(call.ctx(), &call.actor(), &received.path, source, is_dry).await;
    let file = brought.map_err(|stop| {
        let is_of_the_file = stop.code().is_some_and(|code| code.kind() == domain::refusal::Kind::Malformed);
        let problem = Problem::from(stop);
        if is_of_the_file { of_the_body(problem, &received.path.display().to_string()) } else { problem }
    })?;
    let count = |n: u64| Tree::Int(i64::try_from(n).unwrap_or(i64::MAX));
    let rejects = file.rejects.iter().map(|(code, n)| (code.clone().into(), count(*n))).collect();
    let answer = Tree::object([
        ("Import", file.import.map_or(Tree::Null, Tree::Int)),
        ("Read", count(file.read)),
        ("Accepted", count(file.accepted)),
        ("Duplicate", count(file.duplicate)),
        ("Rejected", count(file.rejected)),
        ("Late", count(file.late)),
        ("RejectFile", Tree::optional(file.rejectfile.as_deref())),
        ("Rejects", Tree::Object(rejects)),
    ]);
    let status = if file.again || is_dry { StatusCode::OK } else { StatusCode::CREATED };
    Ok(Answer::json(status, answer))
}

/// What is told of the file that received the body is told of the body: where that lies is nobody's business.
fn of_the_body(mut problem: Problem, path: &str) -> Problem {
    problem.code = UNREADABLE;
    problem.message = problem.message.replace(path, "the body");
    for fault in &mut problem.faults {
        fault.message = fault.message.replace(path, "the body");
        fault.hint.take_if(|hint| hint.contains(path));
    }
    problem
}

async fn create(call: Call) -> Result<Answer, Problem> {
    match call.json()? {
        Some(Node::List(list)) => many(&call, &list).await,
        Some(one) => single(&call, &one).await,
        None => Err(Problem::new(INVALID, "a record is needed, or a list of records")),
    }
}

async fn single(call: &Call, node: &Node) -> Result<Answer, Problem> {
    let mut faults = Faults::default();
    let mut record = read(node, "", &mut faults)?;
    name(call, &mut record, 0)?;
    faults.check()?;
    let keeps = once::keeps(call, |taken| answered(taken.first()).ok());
    let taken = call.app.usage.take(SOURCE, vec![record], Together::Each, keeps).await.map_err(not_taken)?;
    answered(taken.first())
}

fn answered(taken: Option<&RecordOutcome>) -> Result<Answer, Problem> {
    match taken {
        Some(RecordOutcome::Accepted { usage }) => Ok(Answer::json(StatusCode::CREATED, view(usage))),
        Some(RecordOutcome::Duplicate { usage }) => Ok(Answer::ok(view(usage))),
        Some(RecordOutcome::Rejected(reject)) => Err(refused(reject.clone())),
        None => Err(Problem::from(anyhow::anyhow!("one record was sent and none was answered"))),
    }
}

async fn many(call: &Call, list: &[Node]) -> Result<Answer, Problem> {
    if list.len() > LIST_MAX {
        let message = format!("{} records in one list; {LIST_MAX} are taken at once", list.len());
        return Err(Problem::new(TOO_LARGE, message));
    }
    let mut faults = Faults::default();
    let records = list.iter().enumerate().map(|(at, node)| read(node, &format!("/{at}"), &mut faults));
    let mut records = records.collect::<Result<Vec<_>, _>>()?;
    faults.check()?;
    for (at, record) in records.iter_mut().enumerate() {
        name(call, record, at)?;
    }
    let names: Vec<Option<String>> = records.iter().map(|record| record.id.clone()).collect();
    let keeps = once::keeps(call, {
        let names = names.clone();
        move |taken| Some(answered_list(taken, &names))
    });
    let taken = call.app.usage.take(SOURCE, records, Together::Each, keeps).await.map_err(not_taken)?;
    Ok(answered_list(&taken, &names))
}

fn answered_list(taken: &[RecordOutcome], names: &[Option<String>]) -> Answer {
    let count = |is: fn(&RecordOutcome) -> bool| Tree::count(taken.iter().filter(|taken| is(taken)).count());
    let rejected = taken.iter().filter(|taken| matches!(taken, RecordOutcome::Rejected(_))).count();
    let all_rejected = !taken.is_empty() && rejected == taken.len();
    let answer = Tree::object([
        ("Import", Tree::Null),
        ("Read", Tree::count(taken.len())),
        ("Accepted", count(|t| matches!(t, RecordOutcome::Accepted { .. }))),
        ("Duplicate", count(|t| matches!(t, RecordOutcome::Duplicate { .. }))),
        ("Rejected", Tree::count(rejected)),
        ("Late", count(|t| matches!(t, RecordOutcome::Accepted { usage } if usage.is_late))),
        (
            "Items",
            Tree::List(taken.iter().zip(names).map(|(taken, name)| item(taken, name.as_deref())).collect()),
        ),
    ]);
    Answer::json(if all_rejected { StatusCode::BAD_REQUEST } else { StatusCode::CREATED }, answer)
}

/// One line of a list's answer.
fn item(taken: &RecordOutcome, name: Option<&str>) -> Tree {
    let (id, state, code, message) = match taken {
        RecordOutcome::Accepted { usage } => (Some(id(usage)), "accepted", None, None),
        RecordOutcome::Duplicate { usage } => (Some(id(usage)), "duplicate", None, None),
        RecordOutcome::Rejected(reject) => {
            (None, "rejected", Some(reject.code.code()), Some(reject.text.as_str()))
        }
    };
    Tree::object([
        ("ID", Tree::optional(id.as_deref())),
        ("RefKey", Tree::optional(name)),
        ("State", Tree::text(state)),
        ("Code", Tree::optional(code)),
        ("Message", Tree::optional(message)),
    ])
}

fn id(usage: &LiveUsage) -> String {
    Uuid::from_u128(usage.key).to_string()
}

/// A record as it stands.
fn view(usage: &LiveUsage) -> Tree {
    let charge = Some(usage.subject.as_str()).filter(|_| usage.charge_no != 0);
    let at = DateTime::from_timestamp_micros(usage.time_us).unwrap_or_default();
    Tree::object([
        ("ID", Tree::Text(id(usage))),
        ("Amount", Tree::Exact(domain::decimal::from_quantity9(usage.quantity).to_string())),
        ("EntryDate", Tree::instant(at)),
        ("ReferenceID", Tree::optional(charge)),
        ("SubscriptionChargeID", Tree::Null),
        ("Subject", Tree::text(&usage.subject)),
        ("Meter", Tree::text(&usage.meter)),
        ("RefKey", Tree::text(&usage.id)),
        ("Source", Tree::text(&usage.source)),
        ("Properties", Tree::written_json(&usage.properties)),
        ("Corrects", Tree::optional(Some(usage.corrects.as_str()).filter(|id| !id.is_empty()))),
        ("Late", Tree::Bool(usage.is_late)),
    ])
}

fn read(node: &Node, pointer: &str, faults: &mut Faults) -> Result<NewUsage, Problem> {
    let body = Body::of(node, pointer)?;
    body.only(FIELDS, faults);
    let properties = match body.get(&["Properties"]) {
        None => None,
        Some(node @ Node::Object(_)) => Some(node.to_value().to_string()),
        Some(other) => {
            faults.add(body.at("Properties"), MALFORMED.word, format!("is {}, not an object", other.noun()));
            None
        }
    };
    Ok(NewUsage {
        id: body.plain(&["RefKey"], faults),
        subject: body.plain(&["ReferenceID", "SubscriptionChargeID", "Subject"], faults),
        meter: body.plain(&["Meter"], faults),
        quantity: body.plain(&["Amount"], faults),
        time: body.plain(&["EntryDate"], faults),
        source: body.plain(&["Source"], faults),
        corrects: body.plain(&["Corrects"], faults),
        properties,
    })
}

/// A record without a name of its own gets one; the same again if the request is repeated under its Idempotency-Key.
fn name(call: &Call, record: &mut NewUsage, at: usize) -> Result<(), Problem> {
    if record.id.is_some() {
        return Ok(());
    }
    let id = match (once::key(&Method::POST, &call.headers)?, &call.key) {
        (Some(key), Some(api_key)) => Uuid::new_v5(&key, format!("{} {at}", api_key.id).as_bytes()),
        _ => Uuid::new_v4(),
    };
    record.id = Some(id.to_string());
    Ok(())
}

/// Where in a record a reject points.
fn pointer(code: RejectCode) -> &'static str {
    match code {
        RejectCode::MissingId => "/RefKey",
        RejectCode::MissingSubject | RejectCode::UnknownSubject | RejectCode::AmbiguousSubject => "/Subject",
        RejectCode::MissingMeter | RejectCode::UnknownMeter => "/Meter",
        RejectCode::MissingQuantity | RejectCode::BadQuantity => "/Amount",
        RejectCode::MissingTime
        | RejectCode::BadTime
        | RejectCode::NoSuchTime
        | RejectCode::TimeOutOfBounds
        | RejectCode::TooLate => "/EntryDate",
        RejectCode::BadProperties => "/Properties",
        RejectCode::StaleCorrection => "/Corrects",
        RejectCode::Conflict => "/RefKey",
        RejectCode::Malformed | RejectCode::NotUtf8 | RejectCode::TooLong => "",
    }
}

pub fn refused(reject: Reject) -> Problem {
    let code = match reject.code {
        RejectCode::Conflict | RejectCode::StaleCorrection => USAGE_CONFLICT,
        _ => INVALID,
    };
    let mut problem = Problem::new(code, reject.text.clone()).at(pointer(reject.code), reject.text);
    problem.faults[0].code = reject.code.code();
    problem
}

/// Nothing was taken: asking again is safe.
pub fn not_taken(why: NotTaken) -> Problem {
    match why {
        NotTaken::Busy => Problem::new(BUSY, "the database is busy; ask again in a moment").retry_after(1),
        NotTaken::EmptyBook => {
            Problem::new(EMPTY_BOOK, "the book is empty: there is nobody whose usage this could be")
        }
        // The intake has told the log.
        NotTaken::Broke(_) => {
            Problem::new(INTERNAL, "the usage could not be taken in; the log has the cause")
        }
    }
}
