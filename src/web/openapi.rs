//! The document of the API (OpenAPI 3.1), made of the table of routes and of what is known of each object: it cannot say
//! what the router does not.

use crate::answer::Answer;
use crate::call::Call;
use crate::doc::{Doc, Field, Gives, QueryDoc};
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
        let entity = noun.entity();
        schemas.push((Cow::Borrowed(entity.name), whole(entity)));
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
    if !doc.takes.is_empty() {
        let schema = object(doc.takes.iter().map(|field| (field.name, described(field))), doc.takes);
        members
            .push(("requestBody".into(), Tree::object([("content", content("application/json", schema))])));
    }
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
    let query: Vec<(&str, &str, &str)> = match route.doc.query {
        QueryDoc::Nothing => Vec::new(),
        QueryDoc::Page => pages.to_vec(),
        QueryDoc::OData => pages.into_iter().chain(odata).collect(),
        QueryDoc::Preview => preview.to_vec(),
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
    };
    all.extend(query.into_iter().map(|(name, kind, about)| parameter(name, "query", false, kind, about)));
    all
}

const OFFSET: [(&str, &str, &str); 2] =
    [("limit", "integer", "1,000 at most, and unless given"), ("offset", "integer", "from 0")];

fn responses(route: &Route) -> Tree {
    let doc = &route.doc;
    let body = match doc.gives {
        Gives::Nothing => None,
        Gives::Page(noun) => Some(content("application/json", page(noun))),
        Gives::Object(noun) => Some(content("application/json", reference(noun.entity().name))),
        Gives::Fields(fields) => {
            let schema = object(fields.iter().map(|field| (field.name, described(field))), fields);
            Some(content("application/json", schema))
        }
        Gives::Media(media) => Some(content(media, Tree::object([("type", Tree::text("string"))]))),
        Gives::Free => Some(content("application/json", Tree::object([]))),
    };
    let mut done: Members = vec![("description".into(), Tree::text("done"))];
    done.extend(body.map(|body| ("content".into(), body)));
    let refused = Tree::object([
        ("description", Tree::text("not done; nothing was changed")),
        ("content", refusal(route.path)),
    ]);
    Tree::Object(vec![
        (Cow::Owned(doc.success.to_string()), Tree::Object(done)),
        (Cow::Borrowed("default"), refused),
    ])
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

fn page(noun: Noun) -> Tree {
    let count = || Tree::object([("type", Tree::List(vec![Tree::text("integer"), Tree::text("null")]))]);
    let items = Tree::object([("type", Tree::text("array")), ("items", reference(noun.entity().name))]);
    let members = [
        ("Items", items),
        ("PageNumber", count()),
        ("PageSize", count()),
        ("TotalItems", count()),
        ("TotalPages", count()),
    ];
    object(members.into_iter(), &[])
}

fn whole(entity: &'static Entity) -> Tree {
    let properties = entity.properties.iter().map(|property| (property.name, schema(property.kind)));
    let lists = entity
        .lists
        .iter()
        .map(|(name, of)| (*name, Tree::object([("type", Tree::text("array")), ("items", whole(of))])));
    object(properties.chain(lists), &[])
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
    match schema(field.kind) {
        Tree::Object(mut members) => {
            members.push(("description".into(), Tree::text(field.about)));
            Tree::Object(members)
        }
        other => other,
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
