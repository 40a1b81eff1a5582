//! The document of the API (OpenAPI 3.1), made of the table of routes and of what is known of each object: it cannot say
//! what the router does not.

use crate::answer::Answer;
use crate::call::Call;
use crate::doc::{Doc, Field, Gives, QueryDoc, Type};
use crate::json::Tree;
use crate::problem::{Problem, Style};
use crate::route::{Access, Route};
use crate::routes;
use domain::query::{Entity, Kind};
use http::Method;
use operations::lists::Noun;
use std::borrow::Cow;

type Members = Vec<(Cow<'static, str>, Tree)>;

pub fn routes() -> Vec<Route> {
    vec![Route::open(Method::GET, "/openapi.json", Doc::new("This document", Gives::Free), document)]
}

/// S3.
async fn document(_: Call) -> Result<Answer, Problem> {
    Ok(Answer::ok(of(&routes::all())))
}

fn of(routes: &[Route]) -> Tree {
    let mut paths: Members = Vec::new();
    for route in routes {
        let operation = (Cow::Owned(route.method.as_str().to_ascii_lowercase()), operation(route));
        match paths.iter_mut().find(|(path, _)| path == route.path) {
            Some((_, Tree::Object(operations))) => operations.push(operation),
            _ => paths.push((Cow::Borrowed(route.path), Tree::Object(vec![operation]))),
        }
    }
    Tree::object([
        ("openapi", Tree::text("3.1.0")),
        (
            "info",
            Tree::object([
                ("title", Tree::text("tallybook")),
                ("version", Tree::text(env!("CARGO_PKG_VERSION"))),
            ]),
        ),
        ("paths", Tree::Object(paths)),
        ("components", components()),
    ])
}

fn components() -> Tree {
    let mut schemas: Members =
        vec![(Cow::Borrowed("Problem"), problem()), (Cow::Borrowed("ProblemDetails"), problem_details())];
    for noun in Noun::ALL {
        for entity in [noun.entity(), noun.row()] {
            if schemas.iter().all(|(name, _)| name != entity.name) {
                schemas.push((Cow::Borrowed(entity.name), whole(entity)));
            }
        }
    }
    let key = Tree::object([("type", Tree::text("http")), ("scheme", Tree::text("bearer"))]);
    Tree::object([("schemas", Tree::Object(schemas)), ("securitySchemes", Tree::object([("key", key)]))])
}

fn operation(route: &Route) -> Tree {
    let doc = &route.doc;
    let mut members: Members = vec![
        ("operationId".into(), Tree::Text(operation_id(route))),
        ("summary".into(), Tree::text(doc.summary)),
        ("tags".into(), Tree::List(vec![Tree::text(tag(route.path))])),
        ("parameters".into(), Tree::List(parameters(route))),
    ];
    members.extend(taken(route).map(|body| ("requestBody".into(), body)));
    members.push(("responses".into(), responses(route)));
    let security = match route.access {
        Access::Open => Vec::new(),
        Access::Key(_) => vec![Tree::object([("key", Tree::List(Vec::new()))])],
    };
    members.push(("security".into(), Tree::List(security)));
    if let Access::Key(scope) = route.access {
        members.push(("description".into(), Tree::Text(format!("Needs a key with the scope `{scope}`."))));
    }
    Tree::Object(members)
}

/// The body of a request; none where none is read.
fn taken(route: &Route) -> Option<Tree> {
    let doc = &route.doc;
    if let Some(media) = doc.media {
        return Some(Tree::object([("content", content(media, Tree::object([])))]));
    }
    let schema = match doc.gives {
        _ if doc.takes_lists => {
            let one = members(doc.takes);
            Tree::object([("anyOf", Tree::List(vec![one.clone(), list(one)]))])
        }
        _ if !doc.takes.is_empty() => members(doc.takes),
        // What is answered can be sent back.
        Gives::Object(noun) if doc.is_written => reference(noun.entity().name),
        Gives::Record(entity) if doc.is_written => whole(entity()),
        _ => return None,
    };
    Some(Tree::object([("content", content("application/json", schema))]))
}

/// The method and the words of the path: one name for each route.
fn operation_id(route: &Route) -> String {
    let words = route.path.split(['/', '{', '}', '.']).filter(|word| !word.is_empty());
    words.fold(route.method.as_str().to_ascii_lowercase(), |id, word| format!("{id}_{word}"))
}

fn tag(path: &str) -> &str {
    let mut parts = path.split('/').filter(|part| !part.is_empty());
    let first = parts.next().unwrap_or_default();
    if matches!(first, "v1" | "v3" | "api" | "lago") {
        return parts.next().unwrap_or(first);
    }
    if first == "stripe" { first } else { "system" }
}

fn parameters(route: &Route) -> Vec<Tree> {
    let parameter = |name: &str, place: &str, required: bool, kind: &str, about: &str| {
        Tree::object([
            ("name", Tree::text(name)),
            ("in", Tree::text(place)),
            ("required", Tree::Bool(required)),
            ("description", Tree::text(about)),
            ("schema", Tree::object([("type", Tree::text(kind))])),
        ])
    };
    let in_path = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let mut all: Vec<Tree> = in_path.map(|name| parameter(name, "path", true, "string", "")).collect();
    let query = queries(route.doc.query);
    all.extend(query.into_iter().map(|(name, kind, about)| parameter(name, "query", false, kind, about)));
    all
}

/// What can stand behind the `?`: name, type and meaning.
pub fn queries(doc: QueryDoc) -> Vec<(&'static str, &'static str, &'static str)> {
    let pages =
        [("pagesize", "integer", "100; more than 1,000 is 1,000"), ("pagenumber", "integer", "from 1")];
    let odata = [
        ("$filter", "string", "OData v3"),
        ("$orderby", "string", "up to 5 keys"),
        ("$top", "integer", "at most 1,000"),
        ("$skip", "integer", ""),
        ("$select", "string", "properties"),
        ("$expand", "string", "what belongs to it"),
        ("$inlinecount", "string", "allpages or none"),
    ];
    let preview = [("preview", "boolean", "only show what it would cost")];
    match doc {
        QueryDoc::Nothing => Vec::new(),
        QueryDoc::Page => pages.to_vec(),
        QueryDoc::OData => pages.into_iter().chain(odata).collect(),
        QueryDoc::Preview => preview.to_vec(),
        QueryDoc::Import => vec![
            ("source", "string", "of records that name none"),
            ("dryrun", "boolean", "check and count, write nothing"),
        ],
        QueryDoc::Code => vec![("discountcode", "string", "the code, unless the body names it")],
        QueryDoc::Counted => {
            pages.into_iter().chain([("$inlinecount", "string", "allpages or none")]).collect()
        }
        QueryDoc::Metadata => {
            let texts = [("key", "string", "needed"), ("value", "string", "any unless given")];
            pages.into_iter().chain(texts).collect()
        }
        QueryDoc::Offset => OFFSET.to_vec(),
        QueryDoc::Metered => OFFSET
            .into_iter()
            .chain([
                ("customerKey", "string", ""),
                ("subscriptionExternalId", "string", ""),
                ("status", "string", ""),
            ])
            .collect(),
        QueryDoc::Detail => vec![("detail", "boolean", "the whole of each quota")],
        QueryDoc::Windows => vec![
            ("from", "string", "an instant; the start of the cycle unless given"),
            ("to", "string", "an instant; the end of the cycle unless given"),
            ("windowSize", "string", "HOUR, DAY or MONTH"),
            ("meter", "string", "all unless given"),
        ],
        QueryDoc::MeterWindows => vec![
            ("from", "string", "an instant; that of the first event unless given"),
            ("to", "string", "an instant; now unless given"),
            ("windowSize", "string", "MINUTE, HOUR, DAY or MONTH; one window unless given"),
            ("windowTimeZone", "string", "of the IANA database; UTC unless given"),
            ("subject", "string", "may be repeated"),
            ("groupBy", "string", "subject, or a property; may be repeated"),
        ],
        QueryDoc::Events => vec![
            ("from", "string", "an instant"),
            ("to", "string", "an instant"),
            ("subject", "string", ""),
            ("id", "string", ""),
            ("limit", "integer", "100 at most, and unless given"),
        ],
    }
}

const OFFSET: [(&str, &str, &str); 2] =
    [("limit", "integer", "1,000 at most, and unless given"), ("offset", "integer", "from 0")];

fn responses(route: &Route) -> Tree {
    let doc = &route.doc;
    let mut done: Members = vec![("description".into(), Tree::text("done"))];
    done.extend(given(doc.gives).map(|body| ("content".into(), body)));
    let mut all: Members = vec![(Cow::Owned(doc.success.to_string()), Tree::Object(done.clone()))];
    all.extend(doc.or.map(|status| (Cow::Owned(status.to_string()), Tree::Object(done))));
    all.extend(refusals(route).into_iter().map(|status| {
        let refused =
            Tree::object([("description", Tree::text(meaning(status))), ("content", refusal(route.path))]);
        (Cow::Owned(status.to_string()), refused)
    }));
    Tree::Object(all)
}

/// The body of what is done.
fn given(gives: Gives) -> Option<Tree> {
    let schema = match gives {
        Gives::Nothing => return None,
        Gives::Media(media) => {
            return Some(content(media, Tree::object([("type", Tree::text("string"))])));
        }
        Gives::Rows(noun) => page(reference(noun.row().name)),
        Gives::Page(noun) => page(reference(noun.entity().name)),
        Gives::Object(noun) => reference(noun.entity().name),
        Gives::Records(entity) => page(whole(entity())),
        Gives::Record(entity) => whole(entity()),
        Gives::Fields(fields) => members(fields),
        Gives::PageOf(fields) => page(members(fields)),
        Gives::List(fields) => list(members(fields)),
        Gives::Named(of) => named(*of),
        Gives::Either(one, other) => {
            Tree::object([("anyOf", Tree::List(vec![members(one), members(other)]))])
        }
        Gives::Listed(fields) => object(
            [
                ("data", list(members(fields))),
                ("limit", schema(Kind::Int)),
                ("offset", schema(Kind::Int)),
                ("total", schema(Kind::Int)),
            ]
            .into_iter(),
            &[],
        ),
        Gives::Free => Tree::object([("type", Tree::text("object"))]),
    };
    Some(content("application/json", schema))
}

/// Every status that refuses: what is asked of all, of whoever has a key, of paths that name something, of bodies, and of
/// what asks a provider.
fn refusals(route: &Route) -> Vec<u16> {
    let mut all: Vec<u16> = vec![400, 408, 414, 431, 500, 503];
    if route.access != Access::Open {
        all.extend([401, 403, 429]);
    }
    if route.path.contains('{') || route.doc.takes.iter().any(|field| field.name.ends_with("ID")) {
        all.push(404);
    }
    if route.method != Method::GET {
        all.extend([404, 409, 412, 413, 415, 422]);
    }
    if ["/recharge", "/refund"].iter().any(|verb| route.path.ends_with(verb)) {
        all.push(402);
    }
    // An empty book has no seller; a draft has no electronic invoice.
    if ["/v3/tenant/me", "/v3/invoices/{invoiceId}/xml"].contains(&route.path) {
        all.push(409);
    }
    all.sort_unstable();
    all.dedup();
    all
}

fn meaning(status: u16) -> &'static str {
    match status {
        400 => "not understood; every fault with its place",
        401 => "no key, or none that is known",
        402 => "the provider says no",
        403 => "the key may not do this",
        404 => "there is no such thing",
        408 => "the request did not come to its end in time",
        409 => "its state does not allow this",
        412 => "changed since it was read",
        413 => "too large",
        414 => "the path and query are too long",
        415 => "not a kind of body that is read here",
        422 => "the name is taken, or the values cannot be taken",
        429 => "too many, or nothing is left",
        431 => "the head is too large",
        503 => "busy, draining or overloaded: try again",
        _ => "a fault of ours; the log has its TraceId",
    }
}

/// How a part of the API tells its problems.
fn refusal(path: &str) -> Tree {
    match Style::of(path) {
        Style::Upodi => content("application/json", reference("Problem")),
        Style::ProblemJson => content("application/problem+json", reference("ProblemDetails")),
        Style::Lago => content("application/json", Tree::object([("type", Tree::text("object"))])),
    }
}

fn content(media: &str, schema: Tree) -> Tree {
    Tree::Object(vec![(Cow::Owned(media.to_owned()), Tree::object([("schema", schema)]))])
}

fn reference(name: &str) -> Tree {
    Tree::object([("$ref", Tree::Text(format!("#/components/schemas/{name}")))])
}

fn page(of: Tree) -> Tree {
    let count = || Tree::object([("type", Tree::List(vec![Tree::text("integer"), Tree::text("null")]))]);
    let members = [
        ("Items", list(of)),
        ("PageNumber", count()),
        ("PageSize", count()),
        ("TotalItems", count()),
        ("TotalPages", count()),
    ];
    object(members.into_iter(), &[])
}

fn list(of: Tree) -> Tree {
    Tree::object([("type", Tree::text("array")), ("items", of)])
}

fn whole(entity: &'static Entity) -> Tree {
    let properties =
        entity.properties.iter().map(|property| (property.name, shown(property.name, property.kind)));
    let lists = entity.lists.iter().map(|(name, of)| (*name, list(whole(of))));
    object(properties.chain(lists), &[])
}

fn members(fields: &[Field]) -> Tree {
    object(fields.iter().map(|field| (field.name, described(field))), fields)
}

fn named(of: Type) -> Tree {
    Tree::object([("type", Tree::text("object")), ("additionalProperties", type_of(of))])
}

fn type_of(of: Type) -> Tree {
    match of {
        Type::Value(kind) => schema(kind),
        Type::Values(kind) => list(schema(kind)),
        Type::Object(fields) => members(fields),
        Type::Objects(fields) => list(members(fields)),
        Type::Records(entity) => list(whole(entity())),
        Type::Named(of) => named(*of),
        Type::Any => Tree::object([]),
    }
}

fn object(members: impl Iterator<Item = (&'static str, Tree)>, fields: &[Field]) -> Tree {
    let properties = members.map(|(name, schema)| (Cow::Borrowed(name), schema)).collect();
    let required = fields.iter().filter(|field| field.required).map(|field| Tree::text(field.name)).collect();
    Tree::object([
        ("type", Tree::text("object")),
        ("properties", Tree::Object(properties)),
        ("required", Tree::List(required)),
    ])
}

fn described(field: &Field) -> Tree {
    let of = match field.of {
        Type::Value(kind) => shown(field.name, kind),
        other => type_of(other),
    };
    match of {
        Tree::Object(mut members) => {
            members.push(("description".into(), Tree::text(field.about)));
            Tree::Object(members)
        }
        other => other,
    }
}

/// The schema of a value, with an example.
fn shown(name: &str, kind: Kind) -> Tree {
    let Tree::Object(mut members) = schema(kind) else { return Tree::Null };
    members.push(("examples".into(), Tree::List(vec![example(name, kind)])));
    Tree::Object(members)
}

fn example(name: &str, kind: Kind) -> Tree {
    const TEXTS: &[(&str, &str)] = &[
        ("accountnumber", "CU-0000001"),
        ("subscriptionnumber", "SUB-0000001"),
        ("subject", "SUB-0000001"),
        ("external_subscription_id", "SUB-0000001"),
        ("invoicenumber", "INV-0000001"),
        ("discountcode", "LAUNCH-10"),
        ("currencycode", "DKK"),
        ("currency", "DKK"),
        ("country", "DK"),
        ("city", "Odense"),
        ("postalcode", "5000"),
        ("addressline1", "Havnegade 1"),
        ("companyvat", "DK12345678"),
        ("primaryemail", "ada@example.com"),
        ("email", "ada@example.com"),
        ("fullname", "Ada Lovelace"),
        ("label", "Free"),
        ("sku", "PRO"),
        ("planexternalid", "PRO"),
        ("refkey", "crm-4711"),
        ("customerkey", "crm-4711"),
        ("subscriptionexternalid", "sub_1"),
        ("customerexternalid", "cus_1"),
        ("meter", "api_calls"),
        ("code", "api_calls"),
        ("type", "api_calls"),
        ("source", "shop"),
        ("specversion", "1.0"),
        ("url", "https://hooks.example/tally"),
        ("timezone", "Europe/Copenhagen"),
        ("renewalstrategy", "monthly"),
        ("region", "us-central1"),
        ("title", "A day's work"),
        ("key", "crm"),
        ("value", "4711"),
        ("state", "accepted"),
        ("status", "active"),
    ];
    let lower = name.to_ascii_lowercase();
    match kind {
        Kind::Guid => Tree::text("0191f8a4-7d1c-7abc-8def-0123456789ab"),
        Kind::Text => {
            let known = TEXTS.iter().find(|(known, _)| *known == lower);
            Tree::text(known.map_or("text", |(_, text)| *text))
        }
        Kind::Int => Tree::Int(1),
        Kind::Flag => Tree::Bool(true),
        Kind::Exact => Tree::Exact("12.50".to_owned()),
        Kind::Day => Tree::text("2026-01-31"),
        Kind::Instant => Tree::text("2026-01-31T12:00:00Z"),
    }
}

/// The schema of a value; every value may be null.
fn schema(kind: Kind) -> Tree {
    let (types, format): (&[&str], Option<&str>) = match kind {
        Kind::Guid => (&["string", "null"], Some("uuid")),
        Kind::Text => (&["string", "null"], None),
        Kind::Int => (&["integer", "null"], None),
        Kind::Flag => (&["boolean", "null"], None),
        // As a key is made: digits or text.
        Kind::Exact => (&["number", "string", "null"], None),
        Kind::Day => (&["string", "null"], Some("date")),
        Kind::Instant => (&["string", "null"], Some("date-time")),
    };
    let mut members: Members =
        vec![("type".into(), Tree::List(types.iter().map(|name| Tree::text(name)).collect()))];
    members.extend(format.map(|format| ("format".into(), Tree::text(format))));
    Tree::Object(members)
}

fn problem() -> Tree {
    let text = || schema(Kind::Text);
    let fault = object(
        [("Pointer", text()), ("Code", text()), ("Message", text()), ("Hint", text())].into_iter(),
        &[],
    );
    let faults = Tree::object([("type", Tree::text("array")), ("items", fault)]);
    let members = [
        ("Message", text()),
        ("Code", text()),
        ("ErrorCode", schema(Kind::Int)),
        ("HttpStatusCode", schema(Kind::Int)),
        ("Type", text()),
        ("TraceId", text()),
        ("Errors", faults),
    ];
    object(members.into_iter(), &[])
}

/// RFC 9457.
fn problem_details() -> Tree {
    let members = [
        ("type", schema(Kind::Text)),
        ("title", schema(Kind::Text)),
        ("status", schema(Kind::Int)),
        ("detail", schema(Kind::Text)),
        ("instance", schema(Kind::Text)),
        ("extensions", Tree::object([("type", Tree::text("object"))])),
    ];
    object(members.into_iter(), &[])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_route_has_a_name_of_its_own_and_says_what_it_does() {
        let routes = routes::all();
        let ids: BTreeSet<String> = routes.iter().map(operation_id).collect();
        assert_eq!(ids.len(), routes.len());
        assert!(routes.iter().all(|route| !route.doc.summary.is_empty()));
        let text = of(&routes).written(domain::api_key::Numbers::Digits);
        let read: serde_json::Value = serde_json::from_slice(&text).unwrap();
        let documented: usize =
            read["paths"].as_object().unwrap().values().map(|p| p.as_object().unwrap().len()).sum();
        assert_eq!(documented, routes.len());
    }
}
