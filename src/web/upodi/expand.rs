//! `$expand`: what belongs to an object and what it belongs to, up to two levels deep (`Subscriptions/SubscriptionCharges`),
//! and what of it is answered.

use super::view;
use crate::call::Call;
use crate::json::Tree;
use crate::problem::{Problem, bad_query};
use domain::book_file::nearest;
use domain::query::{self, Entity, Record, Value};
use operations::lists::{self, Noun, Query};
use std::borrow::Cow;
use std::collections::HashMap;
use std::pin::Pin;
use uuid::Uuid;

/// Paths of `$expand`, how deep one goes, and how many of a list are answered.
const PATHS_MAX: usize = 5;
const DEPTH_MAX: usize = 2;
const CHILDREN_MAX: usize = 1_000;

/// One name of a path.
#[derive(Debug, Clone)]
pub struct Expansion {
    pub name: &'static str,
    reach: Reach,
    entity: &'static Entity,
    /// Places of the properties that are answered; none: all of them.
    properties: Option<Vec<usize>>,
    within: Vec<Expansion>,
}

/// How what is meant is found.
#[derive(Debug, Clone, Copy)]
enum Reach {
    /// The record has it: the list of this place.
    Held(usize),
    /// The one whose id stands in a property.
    One(Noun, &'static str),
    /// The charge of a plan, likewise.
    PlanCharge(&'static str),
    /// Those in which this property is the record's id.
    Many(Noun, &'static str),
    /// What the payers of a subscription are billed for it.
    InvoicesOfSubscription,
    /// By what an invoice is collected: the method of its subscription, else the customer's default.
    MethodOfInvoice,
    /// The currency whose code stands in a property.
    Currency,
    /// The family of plans whose id stands in a property.
    Family,
    /// Whoever has had the discount.
    Consumers,
}

/// What an object reaches besides what it holds.
fn beside(entity: &Entity) -> &'static [(&'static str, Reach)] {
    use Noun::{BusinessUnit, Customer, Invoice, PaymentMethod, ProductPlan, Subscription, Transaction, UoM};
    match entity.name {
        "Customer" => &[
            ("DefaultPaymentMethod", Reach::One(PaymentMethod, "PaymentMethod")),
            ("Parent", Reach::One(Customer, "ParentID")),
            ("BusinessUnit", Reach::One(BusinessUnit, "BusinessUnitID")),
            ("Currency", Reach::Currency),
            ("Subscriptions", Reach::Many(Subscription, "CustomerID")),
            ("Invoices", Reach::Many(Invoice, "CustomerID")),
            ("Transactions", Reach::Many(Transaction, "CustomerID")),
        ],
        "Subscription" => &[
            ("Customer", Reach::One(Customer, "CustomerID")),
            ("ProductPlan", Reach::One(ProductPlan, "ProductPlanID")),
            ("Invoices", Reach::InvoicesOfSubscription),
            ("PaymentMethod", Reach::One(PaymentMethod, "PaymentMethodID")),
            ("BusinessUnit", Reach::One(BusinessUnit, "BusinessUnitID")),
        ],
        "SubscriptionCharge" => &[
            ("Subscription", Reach::One(Subscription, "SubscriptionID")),
            ("Customer", Reach::One(Customer, "CustomerID")),
            ("ProductPlanCharge", Reach::PlanCharge("ProductPlanChargeID")),
        ],
        "Invoice" => &[
            ("Customer", Reach::One(Customer, "CustomerID")),
            ("Child", Reach::One(Customer, "ChildID")),
            ("Subscription", Reach::One(Subscription, "SubscriptionID")),
            ("PaymentMethod", Reach::MethodOfInvoice),
            ("Transactions", Reach::Many(Transaction, "InvoiceID")),
        ],
        "Transaction" => {
            &[("Customer", Reach::One(Customer, "CustomerID")), ("Invoice", Reach::One(Invoice, "InvoiceID"))]
        }
        "Contact" | "PaymentMethod" => &[("Customer", Reach::One(Customer, "CustomerID"))],
        "ProductPlan" => &[("ProductFamily", Reach::Family)],
        "Discount" => &[("DiscountConsumers", Reach::Consumers)],
        "ProductPlanCharge" => &[("UoM", Reach::One(UoM, "UoMID"))],
        _ => &[],
    }
}

fn entity_of(reach: Reach) -> &'static Entity {
    match reach {
        Reach::One(noun, _) | Reach::Many(noun, _) => noun.entity(),
        Reach::InvoicesOfSubscription => Noun::Invoice.entity(),
        Reach::MethodOfInvoice => Noun::PaymentMethod.entity(),
        Reach::Currency => &lists::CURRENCY,
        Reach::Family => &lists::FAMILY,
        Reach::Consumers => &lists::CONSUMER,
        Reach::PlanCharge(_) | Reach::Held(_) => super::plans::entity(),
    }
}

/// Everything that an object reaches.
fn reached(entity: &'static Entity) -> Vec<(&'static str, Reach, &'static Entity)> {
    let held = entity.lists.iter().zip(0..).map(|((name, of), place)| (*name, Reach::Held(place), *of));
    held.chain(beside(entity).iter().map(|(name, reach)| (*name, *reach, entity_of(*reach)))).collect()
}

/// Reads `$expand`.
pub fn read(text: &str, entity: &'static Entity) -> Result<Vec<Expansion>, Problem> {
    let paths = query::paths(text);
    if paths.len() > PATHS_MAX {
        return Err(bad_query("$expand", format!("more than {PATHS_MAX} paths")));
    }
    let mut all = Vec::new();
    for path in paths {
        if path.len() > DEPTH_MAX {
            let message = format!("`{}` goes deeper than {DEPTH_MAX}", path.join("/"));
            return Err(bad_query("$expand", message));
        }
        add(&mut all, entity, &path)?;
    }
    Ok(all)
}

fn add(all: &mut Vec<Expansion>, entity: &'static Entity, path: &[&str]) -> Result<(), Problem> {
    let Some((first, rest)) = path.split_first() else { return Ok(()) };
    let place = match all.iter().position(|known| known.name.eq_ignore_ascii_case(first)) {
        Some(place) => place,
        None => {
            let known = reached(entity);
            let found = known.iter().find(|(name, ..)| name.eq_ignore_ascii_case(first));
            let Some((name, reach, of)) = found else {
                return Err(absent("$expand", first, known.iter().map(|(name, ..)| *name)));
            };
            all.push(Expansion { name, reach: *reach, entity: of, properties: None, within: Vec::new() });
            all.len() - 1
        }
    };
    let of = all[place].entity;
    add(&mut all[place].within, of, rest)
}

/// Reads a path of `$select` that names a property of what is expanded.
pub fn select(all: &mut [Expansion], path: &[&str]) -> Result<(), Problem> {
    let expanded = path.split_first().and_then(|(first, rest)| {
        all.iter_mut().find(|known| known.name.eq_ignore_ascii_case(first)).map(|found| (found, rest))
    });
    let Some((found, rest)) = expanded else {
        return Err(bad_query("$select", format!("`{}` is not expanded", path.join("/"))));
    };
    match rest {
        [name] => match found.entity.property(name) {
            Some(place) => found.properties.get_or_insert_default().push(place),
            None => return Err(absent("$select", name, found.entity.properties.iter().map(|p| p.name))),
        },
        _ => return select(&mut found.within, rest),
    }
    Ok(())
}

/// Nothing is called so; with what is nearest.
pub fn absent<'n>(option: &str, name: &str, known: impl Iterator<Item = &'n str>) -> Problem {
    let hint = nearest(name, known).map(|near| format!("did you mean `{near}`?"));
    let mut problem = bad_query(option, format!("there is no `{name}`"));
    problem.faults[0].hint = hint;
    problem
}

/// Finds what is expanded, each thing once.
pub struct Expander<'c> {
    call: &'c Call,
    found: HashMap<(&'static str, Uuid), Option<Record>>,
    plan_charges: Option<HashMap<Uuid, Record>>,
}

type Later<'a, T> = Pin<Box<dyn Future<Output = Result<T, Problem>> + Send + 'a>>;

impl<'c> Expander<'c> {
    pub fn new(call: &'c Call) -> Self {
        Self { call, found: HashMap::new(), plan_charges: None }
    }

    /// A record with what is expanded of it.
    pub fn tree<'a>(
        &'a mut self,
        entity: &'static Entity,
        record: &'a Record,
        properties: Option<&'a [usize]>,
        expanded: &'a [Expansion],
    ) -> Later<'a, Tree> {
        Box::pin(async move {
            let mut members = view::members(entity, record, properties);
            for one in expanded {
                members.push((Cow::Borrowed(one.name), self.expanded(entity, record, one).await?));
            }
            Ok(Tree::Object(members))
        })
    }

    async fn expanded(
        &mut self,
        entity: &'static Entity,
        record: &Record,
        one: &Expansion,
    ) -> Result<Tree, Problem> {
        let found = match one.reach {
            Reach::Held(place) => record.lists.get(place).cloned().unwrap_or_default(),
            Reach::Many(noun, property) => self.many(noun, property, record.id()).await?,
            Reach::InvoicesOfSubscription => self.invoices(entity, record).await?,
            Reach::Consumers => match record.id() {
                Value::Guid(id) => lists::consumers(self.call.ctx(), *id, CHILDREN_MAX).await?,
                _ => Vec::new(),
            },
            Reach::One(..)
            | Reach::PlanCharge(_)
            | Reach::MethodOfInvoice
            | Reach::Currency
            | Reach::Family => {
                let found = self.reached(entity, record, one.reach).await?;
                return self.single(found, one).await;
            }
        };
        let mut trees = Vec::with_capacity(found.len());
        for child in found.iter().take(CHILDREN_MAX) {
            trees.push(self.tree(one.entity, child, one.properties.as_deref(), &one.within).await?);
        }
        Ok(Tree::List(trees))
    }

    /// The one that a record leads to.
    async fn reached(
        &mut self,
        entity: &'static Entity,
        record: &Record,
        reach: Reach,
    ) -> Result<Option<Record>, Problem> {
        let id = |property: &str| view::guid(entity, record, property);
        match reach {
            Reach::One(noun, property) => match id(property) {
                Some(id) => self.one(noun, id).await,
                None => Ok(None),
            },
            Reach::PlanCharge(property) => match id(property) {
                Some(id) => self.plan_charge(id).await,
                None => Ok(None),
            },
            Reach::Family => match id("ProductFamilyID") {
                Some(id) => Ok(lists::family(self.call.ctx(), id).await?),
                None => Ok(None),
            },
            Reach::Currency => match view::value(entity, record, "CurrencyCode") {
                Some(Value::Text(code)) => Ok(lists::currency(self.call.ctx(), code).await?),
                _ => Ok(None),
            },
            _ => self.method_of_invoice(id("SubscriptionID"), id("CustomerID")).await,
        }
    }

    async fn method_of_invoice(
        &mut self,
        subscription: Option<Uuid>,
        customer: Option<Uuid>,
    ) -> Result<Option<Record>, Problem> {
        let holders = [
            (Noun::Subscription, subscription, "PaymentMethodID"),
            (Noun::Customer, customer, "PaymentMethod"),
        ];
        for (noun, id, property) in holders {
            let Some(id) = id else { continue };
            let holder = self.one(noun, id).await?;
            let method = holder.and_then(|holder| view::guid(noun.entity(), &holder, property));
            if let Some(method) = method {
                return self.one(Noun::PaymentMethod, method).await;
            }
        }
        Ok(None)
    }

    async fn single(&mut self, found: Option<Record>, one: &Expansion) -> Result<Tree, Problem> {
        match found {
            Some(record) => self.tree(one.entity, &record, one.properties.as_deref(), &one.within).await,
            None => Ok(Tree::Null),
        }
    }

    async fn one(&mut self, noun: Noun, id: Uuid) -> Result<Option<Record>, Problem> {
        let key = (noun.entity().name, id);
        if let Some(known) = self.found.get(&key) {
            return Ok(known.clone());
        }
        let found = lists::by_id(self.call.ctx(), noun, id).await?;
        self.found.insert(key, found.clone());
        Ok(found)
    }

    async fn plan_charge(&mut self, id: Uuid) -> Result<Option<Record>, Problem> {
        if self.plan_charges.is_none() {
            let all = Query { top: usize::MAX, ..Query::default() };
            let plans = lists::query(self.call.ctx(), Noun::ProductPlan, &all).await?.records;
            let charges = plans.into_iter().flat_map(|plan| plan.lists.into_iter().flatten());
            let by_id = charges.filter_map(|charge| match charge.id() {
                Value::Guid(id) => Some((*id, charge)),
                _ => None,
            });
            self.plan_charges = Some(by_id.collect());
        }
        Ok(self.plan_charges.as_ref().and_then(|charges| charges.get(&id)).cloned())
    }

    async fn many(&self, noun: Noun, property: &str, of: &Value) -> Result<Vec<Record>, Problem> {
        let Value::Guid(id) = of else { return Ok(Vec::new()) };
        self.filtered(noun, &format!("{property} eq guid'{id}'")).await
    }

    async fn filtered(&self, noun: Noun, filter: &str) -> Result<Vec<Record>, Problem> {
        let filter = query::filter(filter, noun.entity())
            .map_err(|fault| anyhow::anyhow!("a filter of ours: {}", fault.message))?;
        let query = Query { filter, top: CHILDREN_MAX, ..Query::default() };
        Ok(lists::query(self.call.ctx(), noun, &query).await?.records)
    }

    /// Of the owner, and of the parent that may pay for it: invoices are found by their payer.
    async fn invoices(&mut self, entity: &'static Entity, record: &Record) -> Result<Vec<Record>, Problem> {
        let (Value::Guid(of), Some(owner)) = (record.id(), view::guid(entity, record, "CustomerID")) else {
            return Ok(Vec::new());
        };
        let customer = self.one(Noun::Customer, owner).await?;
        let parent = customer.and_then(|customer| view::guid(Noun::Customer.entity(), &customer, "ParentID"));
        let mut all = Vec::new();
        for payer in [Some(owner), parent].into_iter().flatten() {
            let filter = format!("CustomerID eq guid'{payer}' and SubscriptionID eq guid'{of}'");
            all.extend(self.filtered(Noun::Invoice, &filter).await?);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_two_deep_and_what_is_not_there_has_the_nearest() {
        let customer = Noun::Customer.entity();
        let mut all =
            read("Subscriptions/SubscriptionCharges, subscriptions/ProductPlan,Contacts", customer).unwrap();
        let names: Vec<&str> = all.iter().map(|one| one.name).collect();
        assert_eq!(names, ["Subscriptions", "Contacts"]);
        assert_eq!(all[0].within.len(), 2);
        select(&mut all, &["Subscriptions", "SubscriptionCharges", "SKU"]).unwrap();
        let charges = &all[0].within[0];
        assert_eq!(charges.properties.as_deref(), Some(&[charges.entity.property("SKU").unwrap()][..]));
        for (text, hint) in [
            ("Subscription", Some("did you mean `Subscriptions`?")),
            ("Subscriptions/SubscriptionCharges/ProductPlanCharge", None),
            ("A,B,C,D,E,F", None),
        ] {
            let problem = read(text, customer).unwrap_err();
            assert_eq!(problem.faults[0].hint.as_deref(), hint, "{text}");
        }
        assert!(select(&mut all, &["Invoices", "Total"]).is_err());
    }

    #[test]
    fn every_property_that_is_followed_is_one() {
        for noun in Noun::ALL {
            for (name, reach) in beside(noun.entity()) {
                match reach {
                    Reach::One(_, property) | Reach::PlanCharge(property) => {
                        assert!(noun.entity().property(property).is_some(), "{name} {property}");
                    }
                    Reach::Many(of, property) => assert!(of.entity().property(property).is_some(), "{name}"),
                    Reach::Held(_)
                    | Reach::InvoicesOfSubscription
                    | Reach::MethodOfInvoice
                    | Reach::Currency
                    | Reach::Family
                    | Reach::Consumers => {}
                }
            }
        }
    }
}
