//! What stands in the book: customers, plans, discounts, units, rules (routes 1 to 55, 76 to 81, 119 to 143, as far as
//! they only look).

use super::listed::{self, Listed};
use super::objects;
use super::query;
use super::view;
use crate::answer::Answer;
use crate::call::Call;
use crate::doc::{Doc, Gives, QueryDoc};
use crate::problem::{
    BUSINESS_UNIT_NOT_FOUND, CUSTOMER_NOT_FOUND, DISCOUNT_NOT_FOUND, PLAN_NOT_FOUND, Problem,
    SUBSCRIPTION_NOT_FOUND, TAX_RULE_NOT_FOUND, UOM_NOT_FOUND,
};
use crate::route::Route;
use domain::api_key::Scope;
use http::Method;
use operations::lists::{self, Narrow, Noun, RecordPage};

const CUSTOMERS: Listed = Listed {
    noun: Noun::Customer,
    missing: CUSTOMER_NOT_FOUND,
    page: "/v3/customers",
    query: "/v3/customers/query",
    one: "/v3/customers/{customerId}",
    are: ["Customers", "Customers that pass a query", "A customer with contacts and payment methods"],
};
const PLANS: Listed = Listed {
    noun: Noun::ProductPlan,
    missing: PLAN_NOT_FOUND,
    page: "/v3/productplans",
    query: "/v3/productplans/query",
    one: "/v3/productplans/{productPlanId}",
    are: ["Product plans", "Product plans that pass a query", "A product plan with its charges"],
};
const DISCOUNTS: Listed = Listed {
    noun: Noun::Discount,
    missing: DISCOUNT_NOT_FOUND,
    page: "/v3/discounts",
    query: "/v3/discounts/query",
    one: "/v3/discounts/{discountId}",
    are: ["Discounts", "Discounts that pass a query", "A discount with its codes"],
};
const UOMS: Listed = Listed {
    noun: Noun::UoM,
    missing: UOM_NOT_FOUND,
    page: "/v3/uoms",
    query: "/v3/uoms/query",
    one: "/v3/uoms/{uomId}",
    are: ["Units of measure", "Units of measure that pass a query", "A unit of measure"],
};
const BUSINESS_UNITS: Listed = Listed {
    noun: Noun::BusinessUnit,
    missing: BUSINESS_UNIT_NOT_FOUND,
    page: "/v3/businessunits",
    query: "",
    one: "/v3/businessunits/{businessUnitId}",
    are: ["Business units", "", "A business unit"],
};
const TAX_RULES: Listed = Listed {
    noun: Noun::TaxRule,
    missing: TAX_RULE_NOT_FOUND,
    page: "/v3/taxrules",
    query: "",
    one: "/v3/taxrules/{taxRuleId}",
    are: ["Tax rules", "", "A tax rule"],
};

const BY_ACCOUNT: Doc =
    Doc::new("The customer of an account number, as a page of one", Gives::Page(Noun::Customer))
        .query(QueryDoc::Page);
const CONTACTS: Doc = Doc::new("Contacts of a customer", Gives::Page(Noun::Contact)).query(QueryDoc::Page);
const METHODS: Doc =
    Doc::new("Payment methods of a customer", Gives::Page(Noun::PaymentMethod)).query(QueryDoc::Page);
const CODES: Doc =
    Doc::new("Codes of a discount", Gives::Records(super::discounts::code_entity)).query(QueryDoc::Page);
const UOM: Doc = Doc::new("Units of measure", Gives::Page(Noun::UoM)).query(QueryDoc::Page);

pub fn routes() -> Vec<Route> {
    let lists = [CUSTOMERS, PLANS, DISCOUNTS, UOMS, BUSINESS_UNITS, TAX_RULES];
    let mut routes: Vec<Route> = lists.into_iter().flat_map(Listed::routes).collect();
    routes.extend([
        by_refkey("/v3/customers/byrefkey/{refKey}", Noun::Customer, CUSTOMER_NOT_FOUND),
        by_refkey("/v3/discounts/byrefkey/{refKey}", Noun::Discount, DISCOUNT_NOT_FOUND),
        by_refkey("/v3/subscriptions/byrefkey/{refKey}", Noun::Subscription, SUBSCRIPTION_NOT_FOUND),
        get("/v3/customers/byaccountnumber/{accountNumber}", BY_ACCOUNT, by_account),
        get("/v3/customers/{customerId}/contacts", CONTACTS, |call| children(call, CUSTOMERS, "Contacts")),
        get("/v3/customers/{customerId}/paymentmethods", METHODS, |call| {
            children(call, CUSTOMERS, "PaymentMethods")
        }),
        get("/v3/discounts/{discountId}/discountcodes", CODES, |call| {
            children(call, DISCOUNTS, "DiscountCodes")
        }),
        // Upodi's navigation has the page in the singular.
        get("/v3/uom", UOM, uom),
    ]);
    let all = [Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let no_patch = [Method::POST, Method::PUT, Method::DELETE];
    routes.extend(objects::CUSTOMER.routes("/v3/customers", "/v3/customers/{customerId}", &all));
    routes.extend(objects::PLAN.routes("/v3/productplans", "/v3/productplans/{productPlanId}", &all));
    routes.extend(objects::DISCOUNT.routes("/v3/discounts", "/v3/discounts/{discountId}", &all));
    let units = "/v3/businessunits/{businessUnitId}";
    routes.extend(objects::BUSINESS_UNIT.routes("/v3/businessunits", units, &no_patch));
    routes.extend(objects::UOM.routes("/v3/uoms", "/v3/uoms/{uomId}", &no_patch));
    routes.extend(objects::UOM.routes("/v3/uom", "", &no_patch[..2]));
    routes.extend(objects::SUBSCRIPTION.routes(
        "/v3/subscriptions",
        "/v3/subscriptions/{subscriptionId}",
        &all,
    ));
    routes
}

fn get<F, Fut>(path: &'static str, doc: Doc, handler: F) -> Route
where
    F: Fn(Call) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Answer, Problem>> + Send + 'static,
{
    Route::new(Method::GET, path, Scope::Read, doc, handler)
}

fn by_refkey(path: &'static str, noun: Noun, missing: crate::problem::Code) -> Route {
    let doc = Doc::new("The first one with this key", Gives::Object(noun));
    get(path, doc, move |call| async move {
        let refkey = call.part("refKey").to_owned();
        listed::by_text(&call, noun, "RefKey", &refkey, missing).await
    })
}

async fn uom(call: Call) -> Result<Answer, Problem> {
    listed::rows(&call, Noun::UoM).await
}

/// Route 7: a page of one, as upodi-js reads it.
async fn by_account(call: Call) -> Result<Answer, Problem> {
    let number = call.part("accountNumber").to_owned();
    let page = query::page(&call)?;
    let narrow = Narrow { number: Some(number.clone()), ..Narrow::default() };
    let found = lists::page(call.ctx(), Noun::Customer, &narrow, 0, 1).await?;
    if found.records.is_empty() {
        return Err(listed::absent(Noun::Customer, CUSTOMER_NOT_FOUND, &number));
    }
    Ok(Answer::ok(view::page(Noun::Customer.entity(), &found, page)))
}

/// A page of what belongs to an object.
async fn children(call: Call, of: Listed, name: &'static str) -> Result<Answer, Problem> {
    let page = query::page(&call)?;
    let id = call.id(call.parts.first().map_or("", |(name, _)| *name))?;
    let Some(mut record) = lists::by_id(call.ctx(), of.noun, id).await? else {
        return Err(listed::absent(of.noun, of.missing, &id.to_string()));
    };
    let place = of.noun.entity().list(name).unwrap_or_default();
    let all = record.lists.get_mut(place).map(std::mem::take).unwrap_or_default();
    let total = u64::try_from(all.len()).ok();
    let records = all.into_iter().skip(page.skip()).take(page.size).collect();
    let entity = of.noun.entity().lists[place].1;
    Ok(Answer::ok(view::page(entity, &RecordPage { records, total }, page)))
}
