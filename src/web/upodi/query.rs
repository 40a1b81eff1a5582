//! Pages and the OData v3 of `/query`: what stands behind the `?`, read and checked.

use super::expand::{self, Expansion};
use crate::call::Call;
use crate::problem::{Problem, bad_query, unknown_query};
use domain::query::{self, Entity, Fault};
use operations::lists::Query;

/// Records of a page unless asked for.
const PAGE: usize = 100;
/// Records of a page at most.
const PAGE_MAX: usize = 1_000;

/// Which page is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest {
    /// From 1.
    pub number: usize,
    pub size: usize,
}

impl PageRequest {
    pub fn skip(self) -> usize {
        (self.number - 1).saturating_mul(self.size)
    }
}

/// What of each record is answered.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    /// Places of properties; none: all of them.
    pub properties: Option<Vec<usize>>,
    pub expanded: Vec<Expansion>,
}

/// The page of a plain list; nothing but pages is asked there.
pub fn page(call: &Call) -> Result<PageRequest, Problem> {
    for (name, _) in &call.query {
        let plain = name.trim_start_matches('$');
        if !["pagesize", "pagenumber"].iter().any(|known| known.eq_ignore_ascii_case(plain)) {
            return Err(unknown_query(name, &["pagesize", "pagenumber"]));
        }
    }
    paged(call)
}

/// Which page is asked for, whatever else is asked.
pub fn paged(call: &Call) -> Result<PageRequest, Problem> {
    let number = |name: &str, default: usize| -> Result<usize, Problem> {
        let Some(text) = call.asked(name).or_else(|| call.asked(&format!("${name}"))) else {
            return Ok(default);
        };
        match text.parse::<usize>() {
            Ok(number) if number > 0 => Ok(number),
            _ => Err(bad_query(name, format!("`{text}` is not a whole number from 1"))),
        }
    };
    Ok(PageRequest { number: number("pagenumber", 1)?, size: number("pagesize", PAGE)?.min(PAGE_MAX) })
}

/// A query, which page of it, and what is shown.
pub fn odata(call: &Call, entity: &'static Entity) -> Result<(Query, PageRequest, Shown), Problem> {
    const KNOWN: [&str; 10] = [
        "$filter",
        "$orderby",
        "$top",
        "$skip",
        "$select",
        "$expand",
        "$inlinecount",
        "$format",
        "pagesize",
        "pagenumber",
    ];
    for (name, _) in &call.query {
        let is_page = ["$pagesize", "$pagenumber"].iter().any(|known| known.eq_ignore_ascii_case(name));
        if !is_page && !KNOWN.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return Err(unknown_query(name, &KNOWN));
        }
    }
    let text = |name: &str| call.asked(name).unwrap_or_default();
    if !matches!(text("$format").to_ascii_lowercase().as_str(), "" | "json") {
        return Err(bad_query("$format", "only json is answered".to_owned()));
    }
    let count = match text("$inlinecount").to_ascii_lowercase().as_str() {
        "" | "none" => false,
        "allpages" => true,
        other => return Err(bad_query("$inlinecount", format!("`{other}` is neither allpages nor none"))),
    };
    let page = window(call)?;
    let query = Query {
        filter: query::filter(text("$filter"), entity).map_err(|fault| told("$filter", fault))?,
        order: query::order(text("$orderby"), entity).map_err(|fault| told("$orderby", fault))?,
        skip: page.1,
        top: page.0.size,
        count,
    };
    Ok((query, page.0, shown(text("$select"), text("$expand"), entity)?))
}

/// By page, or by `$top` and `$skip`; with how many are passed over.
fn window(call: &Call) -> Result<(PageRequest, usize), Problem> {
    let number = |name: &str| -> Result<Option<usize>, Problem> {
        let Some(text) = call.asked(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_| bad_query(name, format!("`{text}` is not a whole number")))
    };
    let (top, skip) = (number("$top")?, number("$skip")?);
    if top.is_none() && skip.is_none() {
        let page = paged(call)?;
        return Ok((page, page.skip()));
    }
    let has_page =
        ["pagesize", "pagenumber", "$pagesize", "$pagenumber"].iter().any(|name| call.asked(name).is_some());
    if has_page {
        return Err(bad_query(
            "$top",
            "`$top` and `$skip` do not go with pagesize and pagenumber".to_owned(),
        ));
    }
    let top = top.unwrap_or(PAGE);
    if top > PAGE_MAX {
        return Err(bad_query("$top", format!("{top} is more than {PAGE_MAX}")));
    }
    let skip = skip.unwrap_or(0);
    Ok((PageRequest { number: skip / top.max(1) + 1, size: top }, skip))
}

fn shown(select: &str, expand: &str, entity: &'static Entity) -> Result<Shown, Problem> {
    let mut shown = Shown { expanded: expand::read(expand, entity)?, ..Shown::default() };
    for path in query::paths(select) {
        let [name] = path[..] else {
            expand::select(&mut shown.expanded, &path)?;
            continue;
        };
        let Some(property) = entity.property(name) else {
            return Err(expand::absent("$select", name, entity.properties.iter().map(|p| p.name)));
        };
        shown.properties.get_or_insert_default().push(property);
    }
    Ok(shown)
}

fn told(option: &str, fault: Fault) -> Problem {
    let mut problem = bad_query(option, format!("{} (at byte {})", fault.message, fault.at));
    problem.faults[0].hint = fault.hint;
    problem
}
