//! How HTTP words a way out: verbs are the routes that do them. What no route does is left to whoever works the home.

use domain::refusal::{Command, Phrase, Verb, WayOut};

/// A way out as a program asks for it.
pub fn words(way_out: &WayOut) -> String {
    let told = way_out.0.iter().map(|phrase| match phrase {
        Phrase::Words(words) => words.clone(),
        Phrase::Do(command) => asked(command),
        Phrase::Option(name, None) => format!("`{}`", field(name)),
        Phrase::Option(name, Some(value)) => format!("`{}` {value}", field(name)),
        Phrase::Setting(name) => format!("the setting `{name}`"),
    });
    told.collect()
}

/// The request that does it, with what it is asked of. A run is in the path, as its number is its key.
fn asked(command: &Command) -> String {
    let subject = command.subject.as_deref().unwrap_or_default();
    let options = command.options.iter().map(|(name, value)| match value {
        Some(value) => format!(" with {} {value}", name.replace('_', " ")),
        None => format!(" with {}", name.replace('_', " ")),
    });
    let options: String = options.collect();
    let of = if subject.is_empty() { String::new() } else { format!(" of {subject}") };
    match route(command.verb, subject) {
        Some(route) if route.contains("{ordinal}") && !subject.is_empty() => {
            format!("`{}`{options}", route.replace("{ordinal}", subject))
        }
        Some(route) if command.verb == Verb::DeactivateObject && !route.ends_with("/deactivate") => {
            format!("`{route}`{of} with `Status` 7")
        }
        Some(route) => format!("`{route}`{of}{options}"),
        None => format!("the operator's `{}`{of}{options}", name(command.verb)),
    }
}

fn route(verb: Verb, subject: &str) -> Option<String> {
    let route = match verb {
        Verb::Run | Verb::PreviewRun => "POST /v3/runs",
        Verb::ListRuns => "GET /v3/runs",
        Verb::ShowRun => "GET /v3/runs/{ordinal}",
        Verb::ApproveRun => "PUT /v3/runs/{ordinal}/approve",
        Verb::CancelRun => "PUT /v3/runs/{ordinal}/cancel",
        Verb::RerunRun => "PUT /v3/runs/{ordinal}/rerun",
        Verb::ListInvoices | Verb::ListDrafts => "GET /v3/invoices",
        Verb::ShowInvoice => "GET /v3/invoices/{invoiceId}",
        Verb::CreateInvoice => "POST /v3/invoices",
        Verb::BookDraft => "PUT /v3/invoices/{invoiceId}/book",
        Verb::CancelDraft => "PUT /v3/invoices/{invoiceId}/cancel",
        Verb::MarkPaid => "PUT /v3/invoices/{invoiceId}/markpaid",
        Verb::RefundInvoice => "PUT /v3/invoices/{invoiceId}/refund",
        Verb::SendInvoice => "PUT /v3/invoices/{invoiceId}/sendasemail",
        Verb::ListPayers => "GET /v3/customers",
        Verb::ListDiscounts => "GET /v3/discounts",
        Verb::ListSubscriptions => "GET /v3/subscriptions",
        Verb::ShowSubscription => "GET /v3/subscriptions/{subscriptionId}",
        Verb::ChangeSubscription(verb) => {
            let route = format!("PUT /v3/subscriptions/{{subscriptionId}}/{}", verb.name());
            return Some(route).filter(|_| SUBSCRIPTION_VERBS.contains(&verb.name()));
        }
        Verb::ListBook => return of_book(subject).map(|(all, _)| format!("GET {all}")),
        Verb::PatchObject => return changed(subject),
        Verb::DeactivateObject if subject.starts_with("productplan ") => {
            "PUT /v3/productplans/{productPlanId}/deactivate"
        }
        Verb::DeactivateObject => return changed(subject),
        Verb::DeleteObject => return of_book(subject).map(|(_, one)| format!("DELETE {one}")),
        _ => return None,
    };
    Some(route.to_owned())
}

/// Where the objects of a kind of the book are listed, and where one of them is.
fn of_book(subject: &str) -> Option<(&'static str, &'static str)> {
    Some(match subject.split(' ').next().unwrap_or_default() {
        "customer" => ("/v3/customers", "/v3/customers/{customerId}"),
        "subscription" => ("/v3/subscriptions", "/v3/subscriptions/{subscriptionId}"),
        "productplan" => ("/v3/productplans", "/v3/productplans/{productPlanId}"),
        "discount" => ("/v3/discounts", "/v3/discounts/{discountId}"),
        "uom" => ("/v3/uoms", "/v3/uoms/{uomId}"),
        "businessunit" => ("/v3/businessunits", "/v3/businessunits/{businessUnitId}"),
        _ => return None,
    })
}

/// The route that changes an object: a patch where there is one.
fn changed(subject: &str) -> Option<String> {
    let (all, one) = of_book(subject)?;
    let has_patch = !["/v3/uoms", "/v3/businessunits"].contains(&all);
    Some(if has_patch { format!("PATCH {one}") } else { format!("PUT {all}") })
}

/// Verbs of subscriptions that have a route of their own.
const SUBSCRIPTION_VERBS: [&str; 8] =
    ["activate", "cancel", "expire", "hold", "resume", "setamount", "switchplan", "reactivate"];

/// `release run` for [`Verb::ReleaseRun`].
fn name(verb: Verb) -> String {
    match (serde_json::to_value(verb), verb) {
        (_, Verb::ChangeSubscription(verb)) => verb.name().to_owned(),
        (Ok(serde_json::Value::String(word)), _) => word.replace('_', " "),
        _ => "command line".to_owned(),
    }
}

/// `AsOf` for `as_of`, as fields of requests are called.
fn field(name: &str) -> String {
    let capital = |part: &str| {
        let mut letters = part.chars();
        letters
            .next()
            .map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + letters.as_str())
    };
    name.split('_').map(capital).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::refusal::{Code, Refusal};
    use domain::subscription::VerbName;

    #[test]
    fn every_route_that_is_named_is_one() {
        let known: Vec<String> =
            crate::routes::all().iter().map(|route| format!("{} {}", route.method, route.path)).collect();
        let verbs = [
            Verb::Run,
            Verb::PreviewRun,
            Verb::ListRuns,
            Verb::ShowRun,
            Verb::ApproveRun,
            Verb::CancelRun,
            Verb::RerunRun,
            Verb::ListInvoices,
            Verb::ListDrafts,
            Verb::ShowInvoice,
            Verb::CreateInvoice,
            Verb::BookDraft,
            Verb::CancelDraft,
            Verb::MarkPaid,
            Verb::RefundInvoice,
            Verb::SendInvoice,
            Verb::ListPayers,
            Verb::ListDiscounts,
            Verb::ListSubscriptions,
            Verb::ShowSubscription,
            Verb::DeactivateObject,
        ];
        let named = verbs.iter().map(|verb| route(*verb, "productplan PRO").unwrap());
        let kinds = ["customer", "subscription", "productplan", "discount", "uom", "businessunit"];
        let book = [Verb::ListBook, Verb::PatchObject, Verb::DeactivateObject, Verb::DeleteObject];
        let of_book = kinds.iter().flat_map(|kind| book.iter().filter_map(|verb| route(*verb, kind)));
        assert_eq!(of_book.clone().count(), kinds.len() * book.len());
        let of_subscriptions =
            SUBSCRIPTION_VERBS.iter().map(|verb| format!("PUT /v3/subscriptions/{{subscriptionId}}/{verb}"));
        for route in named.chain(of_book).chain(of_subscriptions) {
            assert!(known.contains(&route), "{route}");
        }
    }

    #[test]
    fn a_way_out_can_be_asked_for() {
        let refusal = Refusal::new(Code::RunStands, "run 3 has drafts")
            .hint("book them with ")
            .ask(Verb::ApproveRun.on(3))
            .hint(", let it through with ")
            .ask(Verb::ReleaseRun.on(3).with("customer", "CU-1"))
            .hint(", or hold with ")
            .ask(Verb::ChangeSubscription(VerbName::Hold).on("SUB-1"))
            .hint("; ")
            .option("as_of", "2026-02-01")
            .hint(" at most");
        assert_eq!(
            words(refusal.way_out.as_ref().unwrap()),
            "book them with `PUT /v3/runs/3/approve`, let it through with the operator's `release run` of 3 with \
             customer CU-1, or hold with `PUT /v3/subscriptions/{subscriptionId}/hold` of SUB-1; `AsOf` 2026-02-01 at most"
        );
    }
}
