//! Documents of what is stored, for books of versions that did not keep what was written: read again they give the same
//! objects. What is left out of a document is what is assumed.

use super::content::{ContentHash, ObjectKind, content_hash};
use super::fault::{Faults, Place};
use super::json::{self, Node};
use super::seller::{rate_key, tax_rule_key};
use super::settle;
use crate::catalogue::*;
use crate::customer::{Address, Contact, Customer, Delivery, PaymentMethod};
use crate::dunning::DunningPolicy;
use crate::einvoice::{Identifier, Identifiers, InvoiceForm};
use crate::ledger::Chart;
use crate::payment_reference::ReferenceRule;
use crate::subscription::{Subscription, SubscriptionCharge};
use rust_decimal::Decimal;
use std::collections::BTreeMap;

/// A document and the hash of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    pub text: String,
    pub hash: ContentHash,
}

/// The documents of a catalogue, by kind and natural key.
pub fn catalogue_documents(catalogue: &Catalogue) -> Vec<(ObjectKind, String, Document)> {
    let mut all = vec![(ObjectKind::Tenant, "tenant".to_owned(), tenant(&catalogue.tenant))];
    for policy in catalogue.dunning_policies.values() {
        all.push((ObjectKind::DunningPolicy, policy.refkey.clone(), dunning_policy(policy)));
    }
    for unit in catalogue.business_units.values() {
        all.push((ObjectKind::BusinessUnit, unit.refkey.clone(), business_unit(unit)));
    }
    for rule in &catalogue.tax_rules {
        all.push((ObjectKind::TaxRule, tax_rule_key(rule), tax_rule(rule)));
    }
    for rate in &catalogue.rates {
        all.push((ObjectKind::Rate, rate_key(rate), exchange_rate(rate)));
    }
    for uom in catalogue.uoms.values() {
        all.push((
            ObjectKind::Uom,
            uom.refkey.clone(),
            uom_or_family(&uom.refkey, &uom.fullname, uom.active),
        ));
    }
    for family in catalogue.families.values() {
        let members = uom_or_family(&family.refkey, &family.fullname, family.active);
        all.push((ObjectKind::ProductFamily, family.refkey.clone(), members));
    }
    for plan in catalogue.plans.values() {
        all.push((ObjectKind::ProductPlan, plan.sku.clone(), product_plan(plan)));
    }
    for discount in catalogue.discounts.values() {
        all.push((ObjectKind::Discount, discount.refkey.clone(), discount_of(discount)));
    }
    all.into_iter().map(|(kind, key, members)| (kind, key, members.document())).collect()
}

/// The document of a customer; `parent` is the account number of its parent.
pub fn customer_document(customer: &Customer, parent: Option<&str>) -> Document {
    let mut doc = Members::default();
    doc.text("accountnumber", &customer.account_number);
    doc.text("fullname", &customer.fullname);
    doc.some("companyname", customer.company_name.as_deref());
    doc.some("companyvat", customer.company_vat.as_deref());
    doc.some("refkey", customer.refkey.as_deref());
    doc.text("currencycode", customer.currency.code());
    doc.unless("autobill", customer.autobill, true);
    doc.number("paymentterm", customer.payment_term);
    doc.address(&customer.address);
    doc.some("primaryemail", customer.email.as_deref());
    doc.some("invoiceform", customer.invoice_form.map(InvoiceForm::name));
    if customer.delivery == Delivery::None {
        doc.text("delivery", "none");
    }
    doc.some("businessphone", customer.phone.as_deref());
    doc.some("businessunit", customer.business_unit.as_deref());
    doc.unless("collectivebilling", customer.collective_billing, false);
    doc.some("parent", parent);
    doc.unless("billtoparent", customer.bill_to_parent, false);
    doc.some("ourreference", customer.our_reference.as_deref());
    doc.identifiers(&customer.identifiers);
    doc.some("buyerreference", customer.buyer_reference.as_deref());
    doc.some("deliverycountry", customer.delivery_country.as_deref());
    doc.some("language", customer.language.as_deref());
    doc.mark(customer.discount.as_ref());
    doc.list("contacts", customer.contacts.iter().map(contact));
    doc.list("paymentmethods", customer.payment_methods.iter().map(payment_method));
    doc.inactive(customer.active);
    doc.document()
}

/// The document of a subscription, without what verbs have done to it; `customer` is its owner's account number.
pub fn subscription_document(subscription: &Subscription, customer: &str, plan: Option<&Plan>) -> Document {
    let mut doc = Members::default();
    doc.text("subscriptionnumber", &subscription.number);
    doc.text("customer", customer);
    match plan {
        Some(plan) => doc.text("productplan", &plan.sku),
        None => doc.text("productplan", &subscription.plan.to_string()),
    }
    doc.text("currencycode", subscription.currency.code());
    doc.text("startdate", &subscription.start.to_string());
    doc.some("enddate", subscription.end.map(|day| day.to_string()).as_deref());
    doc.text("status", if subscription.activated.is_some() { "active" } else { "draft" });
    doc.unless("autorenew", subscription.auto_renew, false);
    doc.term("initialtermperiod", "initialterminterval", subscription.initial_term);
    doc.term("renewaltermperiod", "renewalterminterval", subscription.renewal_term);
    doc.some("trialend", subscription.trial_end.map(|day| day.to_string()).as_deref());
    doc.some("billedthrough", subscription.billed_through.map(|day| day.to_string()).as_deref());
    doc.some("subscriptionreference", subscription.reference.as_deref());
    doc.some("refkey", subscription.refkey.as_deref());
    doc.some("businessunit", subscription.business_unit.as_deref());
    doc.some("paymentmethod", subscription.payment_method.as_deref());
    doc.mark(subscription.discount.as_ref());
    let listed = subscription.charges.iter().filter(|own| !is_as_the_plan_has_it(own, plan));
    doc.list("charges", listed.map(charge_of_subscription));
    doc.document()
}

fn is_as_the_plan_has_it(own: &SubscriptionCharge, plan: Option<&Plan>) -> bool {
    let charge = plan.and_then(|plan| plan.charge(&own.charge));
    let is_plain = own.unit_price.is_none()
        && own.start.is_none()
        && own.billed_through.is_none()
        && own.discount.is_none();
    is_plain && charge.is_some_and(|c| c.setup == ChargeSetup::Standard && c.default_amount == own.amount)
}

fn charge_of_subscription(own: &SubscriptionCharge) -> Members {
    let mut doc = Members::default();
    doc.text("charge", &own.charge);
    doc.decimal("amount", Some(own.amount));
    doc.decimal("unitprice", own.unit_price);
    doc.some("startdate", own.start.map(|day| day.to_string()).as_deref());
    doc.some("billedthrough", own.billed_through.map(|day| day.to_string()).as_deref());
    doc.mark(own.discount.as_ref());
    doc
}

fn contact(contact: &Contact) -> Members {
    let mut doc = Members::default();
    doc.text("fullname", &contact.fullname);
    doc.some("refkey", contact.refkey.as_deref());
    let purposes = [
        ("invoice", contact.receives_invoice),
        ("delivery", contact.is_delivery),
        ("einvoice", contact.is_einvoice),
    ];
    doc.texts("contacttype", purposes.iter().filter(|(_, is_one)| *is_one).map(|(name, _)| *name));
    doc.some("gln", contact.gln.as_deref());
    doc.some("primaryemail", contact.email.as_deref());
    doc.address(&contact.address);
    doc
}

fn payment_method(method: &PaymentMethod) -> Members {
    let mut doc = Members::default();
    doc.text("refkey", &method.refkey);
    doc.text("type", &method.kind);
    doc.some("gateway", method.gateway.as_deref().filter(|_| method.mandate.is_none()));
    doc.some("token", method.token.as_deref());
    doc.unless("makedefault", method.is_default, false);
    doc.some("expires", method.expires.map(|day| day.to_string()).as_deref());
    if let Some(mandate) = &method.mandate {
        doc.text("iban", &mandate.iban);
        doc.some("bic", mandate.bic.as_deref());
        doc.text("mandateid", &mandate.id);
        doc.text("mandatedate", &mandate.signed_on.to_string());
        doc.text("mandatescheme", mandate.scheme.name());
        doc.text("mandatesequence", if mandate.is_one_off { "one_off" } else { "recurring" });
    }
    doc
}

fn tenant(tenant: &Tenant) -> Members {
    let mut doc = Members::default();
    doc.text("fullname", &tenant.fullname);
    doc.some("companyvat", tenant.company_vat.as_deref());
    doc.text("currencycode", tenant.currency.code());
    doc.text("timezone", tenant.timezone.name());
    doc.number("paymentterm", Some(tenant.payment_term));
    doc.address(&tenant.address);
    doc.some("iban", tenant.iban.as_deref());
    doc.some("bic", tenant.bic.as_deref());
    doc.some("creditorid", tenant.creditor_id.as_deref());
    doc.number("debitnotice", tenant.debit_notice_days);
    doc.some("email", tenant.email.as_deref());
    doc.some("phone", tenant.phone.as_deref());
    doc.identifiers(&tenant.identifiers);
    doc.text("invoicedaterule", tenant.invoice_date_rule.name());
    doc.decimal("minimuminvoice", tenant.minimum_invoice);
    doc.text("invoicenumberpattern", &tenant.invoice_number_pattern);
    doc.text("creditnotenumberpattern", &tenant.credit_note_number_pattern);
    doc.some("firstinvoicenumber", tenant.first_invoice_number.as_deref());
    doc.some("firstcreditnotenumber", tenant.first_credit_note_number.as_deref());
    doc.text("language", &tenant.language);
    doc.some("invoicenote", tenant.invoice_note.as_deref());
    let notes = tenant.paper.notes.iter();
    doc.object("invoicenotes", notes.map(|(language, note)| (language.clone(), Node::Text(note.clone()))));
    doc.some("registration", tenant.paper.registration.as_deref());
    if tenant.paper.form != InvoiceForm::default() {
        doc.text("invoiceform", tenant.paper.form.name());
    }
    doc.reference_rule(tenant.payment_reference.as_ref());
    if tenant.accounts != Chart::default() {
        let value = serde_json::to_value(&tenant.accounts).unwrap_or_default();
        let node = json::from_value(&value, &Place::new(0, ""), &mut Faults::default());
        doc.0.push(("accounts".to_owned(), node));
    }
    doc
}

fn business_unit(unit: &BusinessUnit) -> Members {
    let mut doc = named(&unit.refkey, &unit.fullname);
    doc.some("accountingcode", unit.accounting_code.as_deref());
    doc.some("timezone", unit.timezone.map(|zone| zone.name()));
    doc.some("invoicenumberpattern", unit.invoice_number_pattern.as_deref());
    doc.some("creditnotenumberpattern", unit.credit_note_number_pattern.as_deref());
    doc.some("firstinvoicenumber", unit.first_invoice_number.as_deref());
    doc.some("firstcreditnotenumber", unit.first_credit_note_number.as_deref());
    doc.object("accounts", unit.accounts.iter().map(|(from, to)| (from.clone(), Node::Text(to.clone()))));
    doc.some("dunningpolicy", unit.dunning_policy.as_deref());
    doc.reference_rule(unit.payment_reference.as_ref());
    doc.inactive(unit.active);
    doc
}

fn tax_rule(rule: &TaxRule) -> Members {
    let mut doc = Members::default();
    doc.text("fullname", &rule.fullname);
    doc.text("country", &rule.country);
    doc.text("state", &rule.state);
    doc.text("ruletype", rule.rule_type.name());
    doc.number("priority", Some(rule.priority));
    doc.decimal("taxpct", Some(rule.tax_pct));
    doc.text("category", rule.category.code());
    doc.some("validfrom", rule.valid_from.map(|day| day.to_string()).as_deref());
    doc.some("validto", rule.valid_to.map(|day| day.to_string()).as_deref());
    doc.some("reason", rule.reason.as_deref());
    doc
}

fn exchange_rate(rate: &Rate) -> Members {
    let mut doc = Members::default();
    doc.text("currencycode", rate.currency.code());
    doc.text("date", &rate.date.to_string());
    doc.decimal("rate", Some(rate.rate));
    doc.some("source", Some(rate.source.as_str()).filter(|source| !source.is_empty()));
    doc
}

fn named(refkey: &str, fullname: &str) -> Members {
    let mut doc = Members::default();
    doc.text("refkey", refkey);
    doc.text("fullname", fullname);
    doc
}

fn uom_or_family(refkey: &str, fullname: &str, active: bool) -> Members {
    let mut doc = named(refkey, fullname);
    doc.inactive(active);
    doc
}

fn dunning_policy(policy: &DunningPolicy) -> Members {
    let mut doc = named(&policy.refkey, &policy.fullname);
    doc.unless("default", policy.is_default, false);
    doc.unless("manual", policy.is_for_manual, false);
    let steps = policy.steps.iter().map(|step| {
        let mut doc = Members::default();
        doc.number("days", Some(step.days));
        doc.text("action", step.action.name());
        let late = &step.late_charge;
        let amount = |amount: &Decimal| Node::Text(amount.normalize().to_string());
        doc.object("fee", late.fees.iter().map(|(currency, fee)| (currency.to_string(), amount(fee))));
        doc.some("feetext", late.fee_text.as_deref());
        doc.decimal("interest", late.interest_pct);
        doc.some("interesttext", late.interest_text.as_deref());
        doc.node()
    });
    doc.0.push(("steps".to_owned(), Node::List(steps.collect())));
    doc.inactive(policy.active);
    doc
}

fn product_plan(plan: &Plan) -> Members {
    let mut doc = Members::default();
    doc.text("sku", &plan.sku);
    doc.text("fullname", &plan.fullname);
    doc.some("productfamily", plan.family.as_deref());
    doc.text("currencycode", plan.currency.code());
    doc.texts("currencies", plan.currencies.iter().map(|currency| currency.code()));
    doc.number("changehandle", Some(plan.change_handle));
    doc.unless("taxinclusive", plan.tax_inclusive, false);
    doc.some("dunningpolicy", plan.dunning_policy.as_deref());
    doc.inactive(plan.active);
    doc.list("charges", plan.charges.iter().map(charge));
    doc
}

fn charge(charge: &Charge) -> Members {
    let is_usage = charge.charge_type == ChargeType::Usage;
    let mut doc = Members::default();
    doc.text("sku", &charge.sku);
    doc.some("anchorcode", charge.anchor_code.as_deref());
    doc.text("fullname", &charge.fullname);
    doc.text("invoicetext", &charge.invoice_text);
    doc.text("chargetype", charge.charge_type.name());
    doc.text("pricingmodel", charge.pricing_model.name());
    doc.text("billingperiod", charge.billing_period.name());
    doc.number("billingperiodinterval", Some(charge.billing_interval));
    let usual = if is_usage { Alignment::PeriodEnd } else { Alignment::SubscriptionStart };
    doc.some("billingperiodalignment", (charge.alignment != usual).then(|| charge.alignment.name()));
    doc.number("billingday", charge.billing_day);
    doc.number("billingmonth", charge.billing_month);
    let usual = if is_usage { Decimal::ZERO } else { Decimal::ONE };
    doc.decimal("defaultamount", (charge.default_amount != usual).then_some(charge.default_amount));
    doc.unless("taxable", charge.taxable, true);
    doc.some("exemptreason", charge.exempt_reason.as_deref());
    doc.some("uom", charge.uom.as_deref());
    doc.some("chargesetup", (charge.setup != ChargeSetup::Standard).then(|| charge.setup.name()));
    let is_dependent = charge.product_charge_type != ProductChargeType::Charge;
    doc.some("productchargetype", is_dependent.then(|| charge.product_charge_type.name()));
    doc.some("addonproductcharge", charge.depends_on.as_deref());
    doc.some("meter", Some(charge.meter.as_str()).filter(|meter| *meter != charge.sku));
    let is_metered = charge.aggregation != Aggregation::None;
    doc.some("usagedatacalculationtype", is_metered.then(|| charge.aggregation.name()));
    doc.some("usagedataperiod", charge.usage_period.map(|(period, _)| period.name()));
    doc.number("usagedataperiodinterval", charge.usage_period.map(|(_, interval)| interval));
    doc.decimal("sumaveragefactor", charge.sum_average_factor);
    doc.some("uniqueproperty", charge.unique_property.as_deref());
    doc.decimal("percentile", charge.percentile);
    doc.some("groupby", charge.group_by.as_deref());
    let filter = charge.filter.iter().map(|(name, values)| {
        (name.clone(), Node::List(values.iter().map(|value| Node::Text(value.clone())).collect()))
    });
    doc.object("filter", filter);
    doc.some("lateusage", (charge.late_usage != LateUsage::Bill).then(|| charge.late_usage.name()));
    doc.number("lateusagedays", charge.late_cut_off_days);
    doc.decimal("packagesize", charge.package_size);
    doc.decimal("includedamount", charge.included_amount);
    doc.amounts("minimumamount", &charge.minimum_amount);
    doc.amounts("maximumamount", &charge.maximum_amount);
    doc.unless("chargeatzero", charge.charge_at_zero, false);
    doc.list("pricings", charge.pricings.iter().map(|pricing| price_row(pricing, charge.pricing_model)));
    doc
}

fn price_row(pricing: &Pricing, model: PricingModel) -> Members {
    let mut doc = Members::default();
    doc.text("currencycode", pricing.currency.code());
    doc.number("segment", Some(pricing.segment));
    doc.decimal("tierto", pricing.tier_to);
    let is_assumed = pricing.price.is_zero()
        && matches!(
            model,
            PricingModel::Percentage
                | PricingModel::GraduatedPercentage
                | PricingModel::Dynamic
                | PricingModel::Custom
        );
    doc.decimal("price", (!is_assumed).then_some(pricing.price));
    let is_flat = pricing.format != TierPriceFormat::PerUnit;
    doc.some("tierpriceformat", is_flat.then(|| pricing.format.name()));
    doc.decimal("flatprice", pricing.flat_price);
    doc.decimal("percentage", pricing.percentage);
    doc.decimal("fixedfee", pricing.fixed_fee);
    doc.decimal("eventminimum", pricing.event_minimum);
    doc.decimal("eventmaximum", pricing.event_maximum);
    doc.decimal("multiplier", pricing.multiplier);
    doc.some("validfrom", pricing.valid_from.map(|day| day.to_string()).as_deref());
    doc
}

fn discount_of(discount: &Discount) -> Members {
    let mut doc = named(&discount.refkey, &discount.fullname);
    doc.text("type", discount.kind.name());
    doc.decimal("amount", Some(discount.amount));
    doc.some("currencycode", discount.currency.as_ref().map(|currency| currency.code()));
    doc.text("invoicetext", &discount.invoice_text);
    doc.some("expiryperiod", discount.expiry.map(|(period, _)| period.name()));
    doc.number("expiryperiodinterval", discount.expiry.map(|(_, interval)| interval));
    doc.list("codes", discount.codes.iter().map(code));
    doc.inactive(discount.active);
    doc
}

fn code(code: &DiscountCode) -> Members {
    let mut doc = Members::default();
    doc.text("codeprefix", &code.prefix);
    doc.text("code", &code.code);
    doc.number("redemption", Some(code.redemption));
    doc.some("expiredate", code.expire_date.map(|day| day.to_string()).as_deref());
    doc.texts("productplans", code.plans.iter().map(String::as_str));
    doc
}

/// Members of an object in the making.
#[derive(Default)]
struct Members(Vec<(String, Node)>);

impl Members {
    fn node(self) -> Node {
        Node::Object(self.0)
    }

    fn document(self) -> Document {
        let node = self.node();
        Document { text: settle::text(&node), hash: content_hash(&node) }
    }

    fn text(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), Node::Text(value.to_owned())));
    }

    fn some(&mut self, name: &str, value: Option<&str>) {
        value.into_iter().for_each(|value| self.text(name, value));
    }

    fn unless(&mut self, name: &str, value: bool, assumed: bool) {
        if value != assumed {
            self.0.push((name.to_owned(), Node::Bool(value)));
        }
    }

    fn inactive(&mut self, active: bool) {
        self.some("status", (!active).then_some("inactive"));
    }

    fn number(&mut self, name: &str, value: Option<impl ToString>) {
        self.0.extend(value.map(|value| (name.to_owned(), Node::Number(value.to_string()))));
    }

    fn decimal(&mut self, name: &str, value: Option<Decimal>) {
        value.into_iter().for_each(|value| self.text(name, &value.normalize().to_string()));
    }

    fn texts<'t>(&mut self, name: &str, values: impl Iterator<Item = &'t str>) {
        let list: Vec<Node> = values.map(|value| Node::Text(value.to_owned())).collect();
        if !list.is_empty() {
            self.0.push((name.to_owned(), Node::List(list)));
        }
    }

    fn object(&mut self, name: &str, members: impl Iterator<Item = (String, Node)>) {
        let members: Vec<(String, Node)> = members.collect();
        if !members.is_empty() {
            self.0.push((name.to_owned(), Node::Object(members)));
        }
    }

    fn list(&mut self, name: &str, parts: impl Iterator<Item = Members>) {
        let list: Vec<Node> = parts.map(Members::node).collect();
        if !list.is_empty() {
            self.0.push((name.to_owned(), Node::List(list)));
        }
    }

    fn amounts(&mut self, name: &str, amounts: &BTreeMap<crate::money::Currency, Decimal>) {
        let of = |(currency, amount): (&crate::money::Currency, &Decimal)| {
            (currency.code().to_owned(), Node::Text(amount.normalize().to_string()))
        };
        self.object(name, amounts.iter().map(of));
    }

    fn term(&mut self, period: &str, interval: &str, term: Option<(TermPeriod, u32)>) {
        self.some(period, term.map(|(period, _)| period.name()));
        self.number(interval, term.map(|(_, interval)| interval));
    }

    fn reference_rule(&mut self, rule: Option<&ReferenceRule>) {
        let Some(rule) = rule else { return };
        self.text("paymentreference", rule.kind.name());
        self.number("paymentreferencelength", rule.length);
        self.some("paymentcreditor", rule.creditor.as_deref());
    }

    fn mark(&mut self, applied: Option<&AppliedDiscount>) {
        let Some(applied) = applied else { return };
        let mut doc = Members::default();
        doc.text("code", &applied.code);
        doc.text("from", &applied.from.to_string());
        self.0.push(("discount".to_owned(), doc.node()));
    }

    fn identifiers(&mut self, identifiers: &Identifiers) {
        let Identifiers { legal_id, electronic_address } = identifiers;
        for (name, identifier) in [("legalid", legal_id), ("electronicaddress", electronic_address)] {
            let Some(Identifier { scheme, value }) = identifier else { continue };
            let members = [("scheme", scheme), ("value", value)];
            let members = members.map(|(name, text)| (name.to_owned(), Node::Text(text.clone())));
            self.object(name, members.into_iter());
        }
    }

    fn address(&mut self, address: &Address) {
        self.some("addressline1", address.line1.as_deref());
        self.some("addressline2", address.line2.as_deref());
        self.some("postalcode", address.postal_code.as_deref());
        self.some("city", address.city.as_deref());
        self.some("state", address.state.as_deref());
        self.some("country", address.country.as_deref());
    }
}
