//! Discount codes: made, applied, taken off (routes 126 to 136).

use super::listed;
use super::objects::{DISCOUNT, body, path_id};
use super::query::PageRequest;
use super::view;
use crate::answer::Answer;
use crate::body::{Body, Faults};
use crate::call::Call;
use crate::doc::{Doc, Gives, QueryDoc, Type, field, member, required};
use crate::json::Tree;
use crate::problem::{
    BAD_ID, CODE_NOT_FOUND, CUSTOMER_NOT_FOUND, DISCOUNT_NOT_FOUND, INVALID, NOT_ELIGIBLE, NOTHING_APPLIED,
    PLAN_NOT_FOUND, Problem, SUBSCRIPTION_CHARGE_NOT_FOUND, SUBSCRIPTION_NOT_FOUND,
};
use crate::route::Route;
use domain::api_key::Scope;
use domain::book_file::Node;
use domain::query::{Kind, Record, Value};
use domain::refusal::Code as Word;
use http::{Method, StatusCode};
use operations::Stop;
use operations::book::discount::{self, Holder};
use operations::lists::{self, Noun, RecordPage};
use operations::subscriptions::change::{self, Change};
use std::sync::Arc;
use uuid::Uuid;

const GENERATE: Doc = Doc::new("Make codes", Gives::Records(code_entity)).takes(&[
    required("Prefix", Kind::Text, "the part before the hyphen"),
    field("Amount", Kind::Int, "how many; 1 unless given, 10,000 at most"),
    field("Code", Kind::Text, "the part behind the hyphen, where one is made"),
    field("Redemption", Kind::Int, "how often each may be applied; 0 is without limit"),
    field("ExpiryDate", Kind::Day, "first day on which it can no longer be applied"),
    member("ProductPlanIDs", Type::Values(Kind::Text), "the plans that it is for; any unless given"),
]);
const EXPIRE: Doc = Doc::new("Let nobody apply a code any more", Gives::Nothing)
    .takes(&[required("DiscountCode", Kind::Text, "")])
    .success(204)
    .query(QueryDoc::Code);
const CHECK: Doc = Doc::new(
    "Whether a code could be applied; nothing is written",
    Gives::Fields(&[
        field("Eligible", Kind::Flag, ""),
        field("Reason", Kind::Text, "why not"),
        member("Discount", Type::Any, "what it would grant"),
    ]),
)
.takes(&[
    required("DiscountCode", Kind::Text, ""),
    field("CustomerID", Kind::Guid, "to whom or what: one of these"),
    field("SubscriptionID", Kind::Guid, ""),
    field("SubscriptionChargeID", Kind::Guid, ""),
    field("ProductPlanID", Kind::Guid, ""),
]);
const BY_CODE: &[crate::doc::Field] =
    &[required("DiscountCode", Kind::Text, "PREFIX-CODE; or the text alone")];

/// Codes made in one call.
const CODES_MAX: usize = 10_000;

/// Whom a code is applied to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum To {
    Customer,
    Subscription,
    Charge,
}

impl To {
    fn noun(self) -> Noun {
        match self {
            Self::Customer => Noun::Customer,
            Self::Subscription => Noun::Subscription,
            Self::Charge => Noun::SubscriptionCharge,
        }
    }

    fn missing(self) -> crate::problem::Code {
        match self {
            Self::Customer => CUSTOMER_NOT_FOUND,
            Self::Subscription => SUBSCRIPTION_NOT_FOUND,
            Self::Charge => SUBSCRIPTION_CHARGE_NOT_FOUND,
        }
    }
}

const APPLY: [(&str, To); 3] = [
    ("/v3/discounts/applydiscountcodecustomer/{customerId}", To::Customer),
    ("/v3/discounts/applydiscountcodesubscription/{subscriptionId}", To::Subscription),
    ("/v3/discounts/applydiscountcodesubscriptioncharge/{subscriptionChargeId}", To::Charge),
];
const CLEAR: [(&str, To); 3] = [
    ("/v3/discounts/{customerId}/cleardiscountcodecustomer", To::Customer),
    ("/v3/discounts/{subscriptionId}/cleardiscountcodesubscription", To::Subscription),
    ("/v3/discounts/{subscriptionChargeId}/cleardiscountcodesubscriptioncharge", To::Charge),
];

pub fn routes() -> Vec<Route> {
    let mut routes = vec![
        Route::new(Method::DELETE, "/v3/discounts/{discountId}/discountcode", Scope::Write, EXPIRE, expire),
        Route::new(
            Method::PUT,
            "/v3/discounts/{discountId}/generatediscountcodes",
            Scope::Write,
            GENERATE,
            generate,
        ),
        Route::new(Method::POST, "/v3/discounts/checkeligibility", Scope::Read, CHECK, check),
    ];
    for (path, to) in APPLY {
        let doc = Doc::new("Apply a code from today on", Gives::Object(to.noun())).takes(BY_CODE);
        routes.push(Route::new(Method::PUT, path, Scope::Write, doc, move |call| apply(call, to)).shown_by(
            move |call| async move { listed::one(&call, to.noun(), path_id(&call)?, to.missing()).await },
        ));
    }
    for (path, to) in CLEAR {
        let doc = Doc::new("End what is applied, today", Gives::Nothing).success(204);
        routes.push(Route::new(Method::DELETE, path, Scope::Write, doc, move |call| clear(call, to)));
    }
    routes
}

/// Route 132.
async fn generate(call: Call) -> Result<Answer, Problem> {
    let node = body(&call)?;
    let asked = read(&call, &node).await?;
    let made: Arc<[String]> = asked.codes.iter().map(|code| format!("{}-{code}", asked.prefix)).collect();
    call.answer_with({
        let made = Arc::clone(&made);
        move |call| {
            let made = Arc::clone(&made);
            async move { shown(&call, &made).await }
        }
    });
    DISCOUNT
        .write(&call, path_id(&call)?, &node, |_, mut stored| {
            if let Some(list) = stored.list_mut("codes") {
                for code in &asked.codes {
                    let mut one = Node::Object(vec![
                        ("codeprefix".to_owned(), Node::Text(asked.prefix.clone())),
                        ("code".to_owned(), Node::Text(code.clone())),
                        ("redemption".to_owned(), Node::Number(asked.redemption.to_string())),
                    ]);
                    if let Some(day) = &asked.expires {
                        one.set("expiredate", Node::Text(day.clone()));
                    }
                    if !asked.plans.is_empty() {
                        let plans = asked.plans.iter().cloned().map(Node::Text).collect();
                        one.set("productplans", Node::List(plans));
                    }
                    list.push(one);
                }
            }
            stored
        })
        .await?;
    shown(&call, &made).await
}

/// Codes that were made.
async fn shown(call: &Call, made: &[String]) -> Result<Answer, Problem> {
    let codes = codes_of(call, path_id(call)?).await?;
    let records: Vec<Record> =
        codes.into_iter().filter(|code| made.iter().any(|name| is_code(code, name))).collect();
    let total = u64::try_from(records.len()).ok();
    let page = PageRequest { number: 1, size: records.len().max(1) };
    Ok(Answer::ok(view::page(code_entity(), &RecordPage { records, total }, page)))
}

/// Codes of a discount.
pub fn code_entity() -> &'static domain::query::Entity {
    let discount = Noun::Discount.entity();
    discount.list("DiscountCodes").map_or(discount, |place| discount.lists[place].1)
}

fn is_code(record: &Record, name: &str) -> bool {
    matches!(view::value(code_entity(), record, "CompleteCode"), Some(Value::Text(code)) if code == name)
}

async fn codes_of(call: &Call, id: Uuid) -> Result<Vec<Record>, Problem> {
    let Some(mut record) = lists::by_id(call.ctx(), Noun::Discount, id).await? else {
        return Err(listed::absent(Noun::Discount, DISCOUNT_NOT_FOUND, &id.to_string()));
    };
    Ok(record.lists.pop().unwrap_or_default())
}

/// Codes that are asked for.
struct CodeRequest {
    prefix: String,
    codes: Vec<String>,
    redemption: u32,
    expires: Option<String>,
    plans: Vec<String>,
}

async fn read(call: &Call, node: &Node) -> Result<CodeRequest, Problem> {
    const NAMES: [&str; 9] = [
        "Prefix",
        "CodePrefix",
        "Amount",
        "Code",
        "Redemption",
        "ExpiryDate",
        "ExpireDate",
        "ProductPlanIDs",
        "IsRestricted",
    ];
    let sent = Body::of(node, "")?;
    let mut faults = Faults::default();
    sent.only(&NAMES, &mut faults);
    let prefix = sent.plain(&["Prefix", "CodePrefix"], &mut faults).unwrap_or_default();
    if prefix.trim().is_empty() {
        faults.add("/Prefix".to_owned(), INVALID.word, "is missing");
    }
    let mut count = |name: &str, default: u32| match sent.plain(&[name], &mut faults) {
        None => default,
        Some(text) => text.parse().unwrap_or_else(|_| {
            faults.add(sent.at(name), INVALID.word, format!("`{text}` is not a whole number"));
            default
        }),
    };
    let (many, redemption) = (count("Amount", 1), count("Redemption", 0));
    let many = usize::try_from(many).unwrap_or(usize::MAX);
    if many == 0 || many > CODES_MAX {
        faults.add(sent.at("Amount"), INVALID.word, format!("is not within 1 and {CODES_MAX}"));
    }
    let code = sent.plain(&["Code"], &mut faults);
    if code.is_some() && many != 1 {
        faults.add(sent.at("Code"), INVALID.word, "goes with one code alone");
    }
    faults.check()?;
    let expires = match sent.get(&["ExpiryDate", "ExpireDate"]) {
        Some(day) => Some(call.day(day, &sent.at("ExpiryDate")).await?.to_string()),
        None => None,
    };
    let codes = match code {
        Some(code) => vec![code],
        None => (0..many).map(|_| random_code()).collect(),
    };
    Ok(CodeRequest {
        prefix,
        codes,
        redemption,
        expires,
        plans: plans(call, sent.get(&["ProductPlanIDs"])).await?,
    })
}

async fn plans(call: &Call, node: Option<&Node>) -> Result<Vec<String>, Problem> {
    let Some(Node::List(list)) = node else { return Ok(Vec::new()) };
    let catalogue = call.ctx().catalogue().await?;
    let mut plans = Vec::with_capacity(list.len());
    for (place, one) in list.iter().enumerate() {
        let pointer = format!("/ProductPlanIDs/{place}");
        let Node::Text(text) = one else {
            return Err(Problem::new(BAD_ID, "an id is needed").at(pointer, "is not a GUID"));
        };
        let id = text.parse::<Uuid>();
        let plan = catalogue.plans.iter().find(|(id_of, plan)| Ok(id_of.0) == id || plan.sku == *text);
        match plan {
            Some((_, plan)) => plans.push(plan.sku.clone()),
            None => return Err(Problem::new(PLAN_NOT_FOUND, format!("there is no productplan {text}"))),
        }
    }
    Ok(plans)
}

/// Eight letters and digits that are not mistaken for one another.
fn random_code() -> String {
    const LETTERS: &[u8; 32] = b"ABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let bytes = Uuid::new_v4();
    // The version and variant of the id are not random.
    let random = bytes.as_bytes()[9..].iter().chain(&bytes.as_bytes()[..1]);
    random.map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect()
}

/// Route 126: the code is no longer applied; what has it keeps it.
async fn expire(call: Call) -> Result<Answer, Problem> {
    let sent = call.json()?.unwrap_or(Node::Object(Vec::new()));
    let code = match (sent.member("discountcode"), call.asked("discountcode"), &sent) {
        (Some(Node::Text(code)), ..) | (_, _, Node::Text(code)) => code.clone(),
        (_, Some(code), _) => code.to_owned(),
        _ => return Err(Problem::new(INVALID, "the code is missing").at("/DiscountCode", "is missing")),
    };
    let id = path_id(&call)?;
    if !codes_of(&call, id).await?.iter().any(|known| is_code(known, &code)) {
        return Err(Problem::new(CODE_NOT_FOUND, format!("the discount has no code `{code}`")));
    }
    let today = call.act().await?.on.to_string();
    DISCOUNT
        .write(&call, id, &sent, |_, mut stored| {
            for one in stored.list_mut("codes").into_iter().flatten() {
                let text = |name: &str| match one.member(name) {
                    Some(Node::Text(text) | Node::Number(text)) => text.clone(),
                    _ => String::new(),
                };
                if format!("{}-{}", text("codeprefix"), text("code")) == code {
                    one.set("expiredate", Node::Text(today.clone()));
                }
            }
            stored
        })
        .await?;
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}

/// The code of a body, or a text alone.
fn code(call: &Call) -> Result<String, Problem> {
    let node = super::day::object(call.json()?, "DiscountCode");
    let sent = Body::of(&node, "")?;
    let mut faults = Faults::default();
    sent.only(&["DiscountCode"], &mut faults);
    let code = sent.plain(&["DiscountCode"], &mut faults);
    faults.check()?;
    code.ok_or_else(|| Problem::new(INVALID, "the code is missing").at("/DiscountCode", "is missing"))
}

async fn apply(call: Call, to: To) -> Result<Answer, Problem> {
    let code = code(&call)?;
    let id = path_id(&call)?;
    let record = found(&call, to, id).await?;
    let applied = view::value(to.noun().entity(), &record, "DiscountCode");
    if applied != Some(&Value::Text(code.clone())) {
        set(&call, to, &record, Some(&code)).await.map_err(not_eligible)?;
    }
    listed::one(&call, to.noun(), id, to.missing()).await
}

/// What a code cannot be applied for.
fn not_eligible(stop: Stop) -> Problem {
    match stop.code() {
        Some(Word::ExpiredCode | Word::RestrictedCode | Word::UsedUp) => {
            let mut problem = Problem::from(stop);
            problem.code = NOT_ELIGIBLE;
            problem
        }
        _ => stop.into(),
    }
}

async fn clear(call: Call, to: To) -> Result<Answer, Problem> {
    let id = path_id(&call)?;
    let record = found(&call, to, id).await?;
    if matches!(view::value(to.noun().entity(), &record, "DiscountCode"), None | Some(Value::Null)) {
        return Err(Problem::new(NOTHING_APPLIED, "no discount is applied"));
    }
    set(&call, to, &record, None).await?;
    Ok(Answer::empty(StatusCode::NO_CONTENT))
}

async fn found(call: &Call, to: To, id: Uuid) -> Result<Record, Problem> {
    let record = lists::by_id(call.ctx(), to.noun(), id).await?;
    record.ok_or_else(|| listed::absent(to.noun(), to.missing(), &id.to_string()))
}

fn text(noun: Noun, record: &Record, name: &str) -> String {
    match view::value(noun.entity(), record, name) {
        Some(Value::Text(text)) => text.clone(),
        Some(Value::Guid(id)) => id.to_string(),
        _ => String::new(),
    }
}

async fn set(call: &Call, to: To, record: &Record, code: Option<&str>) -> Result<(), Stop> {
    let act = call.act().await.map_err(|_| anyhow::anyhow!("the book is empty"))?;
    let noun = to.noun();
    if to == To::Customer {
        return discount::set(call.ctx(), &act, &text(noun, record, "AccountNumber"), code).await.map(drop);
    }
    let mut arguments = serde_json::Map::new();
    match to {
        To::Charge => drop(arguments.insert("charge".to_owned(), text(noun, record, "ReferenceID").into())),
        _ => {
            drop(arguments.insert("subscription".to_owned(), text(noun, record, "SubscriptionNumber").into()))
        }
    }
    if let Some(code) = code {
        arguments.insert("code".to_owned(), code.into());
    }
    let verb = if code.is_some() { "applydiscount" } else { "cleardiscount" };
    change::change(call.ctx(), &act, &Change { verb: verb.to_owned(), arguments, effective: None })
        .await
        .map(drop)
}

/// Route 133.
async fn check(call: Call) -> Result<Answer, Problem> {
    const HOLDERS: [(&str, Option<To>); 4] = [
        ("CustomerID", Some(To::Customer)),
        ("SubscriptionID", Some(To::Subscription)),
        ("SubscriptionChargeID", Some(To::Charge)),
        ("ProductPlanID", None),
    ];
    let node = body(&call)?;
    let sent = Body::of(&node, "")?;
    let mut faults = Faults::default();
    sent.only(
        &["DiscountCode", "CustomerID", "SubscriptionID", "SubscriptionChargeID", "ProductPlanID"],
        &mut faults,
    );
    let code = sent.plain(&["DiscountCode"], &mut faults);
    let holder = HOLDERS.iter().find_map(|(name, to)| Some((*name, *to, sent.plain(&[name], &mut faults)?)));
    if code.is_none() {
        faults.add("/DiscountCode".to_owned(), INVALID.word, "is missing");
    }
    if holder.is_none() {
        faults.add(
            "/CustomerID".to_owned(),
            INVALID.word,
            "is missing: to whom or what is it to be applied?",
        );
    }
    faults.check()?;
    let (name, to, id) = holder.unwrap_or(("", None, String::new()));
    let id: Uuid = id.parse().map_err(|_| {
        Problem::new(BAD_ID, format!("`{id}` is not an id")).at(format!("/{name}"), "is not a GUID")
    })?;
    let holder = match to {
        None => Holder::Plan(id),
        Some(To::Customer) => {
            found(&call, To::Customer, id).await?;
            Holder::Anybody
        }
        Some(to) => {
            let record = found(&call, to, id).await?;
            let subscription = match to {
                To::Subscription => record,
                _ => match view::guid(to.noun().entity(), &record, "SubscriptionID") {
                    Some(id) => found(&call, To::Subscription, id).await?,
                    None => record,
                },
            };
            let plan = view::guid(Noun::Subscription.entity(), &subscription, "ProductPlanID");
            plan.map_or(Holder::Anybody, Holder::Plan)
        }
    };
    let eligible =
        discount::eligible(call.ctx(), &call.act().await?, &code.unwrap_or_default(), holder).await?;
    let discount = match eligible.discount {
        Some(id) => lists::by_id(call.ctx(), Noun::Discount, id.0).await?,
        None => None,
    };
    Ok(Answer::ok(Tree::object([
        ("Eligible", Tree::Bool(eligible.why_not.is_none())),
        ("Reason", Tree::optional(eligible.why_not.as_deref())),
        ("Discount", discount.map_or(Tree::Null, |record| view::bare(Noun::Discount.entity(), &record))),
    ])))
}
