//! Verbs of subscriptions, and discount codes (rules.md S2, D1).

use super::book::{BilledBySubscription, Book};
use super::step::Step;
use crate::catalogue::AppliedDiscount;
use crate::customer::PaymentMethod;
use crate::ids::CustomerId;
use crate::subscription::{ActContext, Refusal, Request, Subscription, Verb, VerbName, act, applicable};
use serde_json::{Map, Value};

impl Book {
    /// Does a verb to a subscription.
    pub fn change_subscription(&mut self, number: &str, verb: &str, step: &Step<'_>) -> Result<(), Refusal> {
        let request = Request::read(verb, &step.arguments)?;
        let arguments = step.arguments();
        let has_own_date = matches!(request.verb(), VerbName::Cancel | VerbName::SetNextChargeDate);
        let names: &[&str] =
            if has_own_date { &["effective", "effectivedate"] } else { &["effective", "effectivedate", "date", "startdate"] };
        let on = arguments.date(names)?.unwrap_or(step.on);
        let subscription = self.subscription(number)?;
        let changed = self.acted(subscription, |subscription, context| {
            act(subscription, context, &request, on, step.on)
        })?;
        let codes: Vec<String> = changed.acts[subscription.acts.len()..]
            .iter()
            .filter_map(|act| match &act.verb {
                Verb::ApplyDiscount { discount, .. } => Some(discount.code.clone()),
                _ => None,
            })
            .collect();
        for code in codes {
            *self.redeemed.entry(code).or_default() += 1;
        }
        self.put(changed);
        Ok(())
    }

    /// Applies a code to, or clears it from, a customer, a subscription or a charge of one.
    pub fn change_discount(&mut self, code: &str, verb: &str, step: &Step<'_>) -> Result<(), Refusal> {
        let arguments = step.arguments();
        if let Some(account) = arguments.text(&["customer"]) {
            return self.change_customer_discount(&account, code, verb, step);
        }
        let mut request = Map::new();
        request.insert("code".to_owned(), Value::String(code.to_owned()));
        let charge = arguments.text(&["subscriptioncharge", "charge"]);
        let number = match (arguments.text(&["subscription"]), &charge) {
            (Some(number), _) => number,
            (None, Some(charge)) => self.owner_of_charge(charge)?,
            (None, None) => {
                let message = "whose discount: `customer`, `subscription` or `subscriptioncharge` is missing";
                return Err(Refusal::new("missing_argument", message));
            }
        };
        if let Some(charge) = charge {
            request.insert("charge".to_owned(), Value::String(charge));
        }
        let verb = if verb == "clear" { VerbName::ClearDiscount } else { VerbName::ApplyDiscount };
        let step = Step { on: step.on, what: super::step::What::Subscription { number: number.clone(), verb: String::new() }, arguments: request };
        self.change_subscription(&number, verb.name(), &step)
    }

    fn change_customer_discount(
        &mut self,
        account: &str,
        code: &str,
        verb: &str,
        step: &Step<'_>,
    ) -> Result<(), Refusal> {
        let catalogue = self.catalogue()?;
        let Some(customer) = self.known.customers.get(account) else {
            return Err(Refusal::new("unknown_customer", format!("there is no customer {account}")));
        };
        let discount = if verb == "clear" {
            let runs = customer.discount.as_ref().filter(|d| d.code == code && d.until.is_none_or(|u| u > step.on));
            let none = || Refusal::new("conflict", format!("{account} has no discount {code} to clear"));
            AppliedDiscount { until: Some(step.on), ..runs.ok_or_else(none)?.clone() }
        } else {
            let billed = BilledBySubscription::new();
            let redeemed = &self.redeemed;
            let context = ActContext { catalogue: &catalogue, billed: &billed, methods: &[], redeemed };
            applicable(&context, code, step.on, None)?
        };
        let id = customer.id;
        if let Some(customer) = self.known.customers.get_mut(account) {
            customer.discount = Some(discount);
        }
        if verb != "clear" {
            *self.redeemed.entry(code.to_owned()).or_default() += 1;
        }
        self.changed(id);
        Ok(())
    }

    fn subscription(&self, number: &str) -> Result<&Subscription, Refusal> {
        let unknown = || Refusal::new("unknown_subscription", format!("there is no subscription {number}"));
        self.known.subscriptions.get(number).ok_or_else(unknown)
    }

    /// The subscription that has a charge of this reference.
    fn owner_of_charge(&self, reference: &str) -> Result<String, Refusal> {
        let has_it = |subscription: &&Subscription| {
            let agreed = subscription.charges.iter().map(|charge| charge.reference);
            let added = subscription.acts.iter().filter_map(|act| match act.verb {
                Verb::AddOptionalCharge { reference, .. } => Some(reference),
                _ => None,
            });
            agreed.chain(added).any(|own| own.to_string().eq_ignore_ascii_case(reference))
        };
        let found = self.known.subscriptions.values().find(has_it);
        let unknown = || {
            Refusal::new("unknown_charge", format!("no subscription has the charge `{reference}`"))
                .hint("name the subscription, and its charge by SKU")
        };
        Ok(found.ok_or_else(unknown)?.number.clone())
    }

    /// What a verb makes of a subscription, with all that it has to know.
    fn acted(
        &self,
        subscription: &Subscription,
        verb: impl FnOnce(&Subscription, &ActContext<'_>) -> Result<Subscription, Refusal>,
    ) -> Result<Subscription, Refusal> {
        let catalogue = self.catalogue()?;
        let none = BilledBySubscription::new();
        let billed = self.billed.get(&subscription.id).unwrap_or(&none);
        let methods = self.methods(subscription.customer);
        let context = ActContext { catalogue: &catalogue, billed, methods: &methods, redeemed: &self.redeemed };
        verb(subscription, &context)
    }

    /// Methods of a customer and of who pays for it.
    fn methods(&self, owner: CustomerId) -> Vec<PaymentMethod> {
        let payer = self.payers().get(&owner).copied();
        let payer = payer.filter(|payer| *payer != owner).and_then(|payer| self.customer(payer));
        let customers = self.customer(owner).into_iter().chain(payer);
        customers.flat_map(|customer| customer.payment_methods.iter().cloned()).collect()
    }

    fn put(&mut self, subscription: Subscription) {
        self.changed(subscription.customer);
        self.known.subscriptions.insert(subscription.number.clone(), subscription);
        self.subjects = None;
    }
}
