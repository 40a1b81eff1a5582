//! From rated lines to drafts: grouping, tax, dates, parties, series (rules I1–I3, I5, I8, B2, D1, X1).

use super::booking::due_date;
use super::rating::{FixedGrant, LineTax, Parked, Rated};
use super::{BilledLine, PayerBook, RunContext};
use crate::catalogue::{Catalogue, InvoiceDateRule, TaxRule, Tenant};
use crate::customer::Customer;
use crate::discount::allocate_fixed;
use crate::exact::Exact;
use crate::ids::{self, CustomerId, InvoiceId, SubscriptionId};
use crate::invoice::{Draft, Line, Party};
use crate::money::Currency;
use crate::period::plus_days;
use crate::tax::{self, NoTaxRule, TaxParty, Treatment, vat_number};
use crate::zone::previous_day;
use chrono::{Datelike, NaiveDate};
use std::collections::{BTreeMap, BTreeSet};

/// What one invoice is made for, on one charge date (rules I1): the subscription unless invoices are collected, the
/// currency, and the payment method that is the subscription's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Group {
    pub subscription_number: Option<String>,
    pub subscription: Option<SubscriptionId>,
    pub currency: Currency,
    pub payment_method: Option<String>,
}

/// Lines of one invoice to be.
#[derive(Debug, Clone)]
pub(super) struct InvoiceLines {
    pub group: Group,
    pub rated: Vec<Rated>,
}

/// A draft and the periods that its lines take.
#[derive(Debug, Clone)]
pub(super) struct Drafted {
    pub draft: Draft,
    pub taken: Vec<BilledLine>,
}

/// Spreads each fixed-amount discount of the day over the lines that may carry it, in the order in which the invoices
/// will be numbered (rules D1). `granted` holds those that were granted for this charge date before.
pub(super) fn grant_fixed(
    catalogue: &Catalogue,
    all_lines: &mut [InvoiceLines],
    granted: &BTreeSet<FixedGrant>,
) {
    let mut grants: BTreeMap<FixedGrant, Vec<(usize, usize)>> = BTreeMap::new();
    for (at, lines) in all_lines.iter().enumerate() {
        for (number, rated) in lines.rated.iter().enumerate() {
            if let Some(grant) = rated.fixed.as_ref().filter(|grant| !granted.contains(grant)) {
                grants.entry(grant.clone()).or_default().push((at, number));
            }
        }
    }
    for (grant, places) in grants {
        let Some(discount) = catalogue.discounts.get(&grant.discount) else { continue };
        let currency = all_lines[places[0].0].group.currency;
        let lines: Vec<i64> =
            places.iter().map(|(at, n)| all_lines[*at].rated[*n].line.subtotal_minor).collect();
        let wanted =
            Exact::of(discount.amount).checked_round_half_away(currency.decimals()).unwrap_or(i64::MAX);
        for ((at, number), share) in places.into_iter().zip(allocate_fixed(wanted, &lines)) {
            let rated = &mut all_lines[at].rated[number];
            rated.line.subtotal_minor -= share;
            rated.line.discount_minor += share;
            rated.taken.net_minor -= share;
            rated.taken.priced_minor -= share;
            rated.taken.granted_minor += share;
            if share != 0 {
                rated.line.discount_text = Some(discount.invoice_text.clone());
            }
        }
    }
}

/// Makes the draft of an invoice's lines. `carried` are drafts below the minimum whose lines join it (rules I8). A line for which
/// no tax rule matches parks the payer (rules X1).
pub(super) fn draft(
    book: &PayerBook,
    payer: &Customer,
    charge_date: NaiveDate,
    mut own: InvoiceLines,
    carried: Vec<Draft>,
    run: RunContext,
) -> Result<Drafted, Parked> {
    let group = own.group;
    own.rated.sort_by(|a, b| a.place.cmp(&b.place));
    // What was carried is older: it comes first.
    let mut lines: Vec<Line> = carried.iter().flat_map(|draft| &draft.lines).map(before_tax).collect();
    let carried_lines = lines.len();
    let mut treatments: Vec<Treatment<'_>> = carried
        .iter()
        .flat_map(|draft| draft.lines.iter().map(|line| treatment_of_carried(book, draft, line)))
        .collect();
    lines.extend(own.rated.iter().map(|rated| rated.line.clone()));
    treatments.extend(own.rated.iter().map(|rated| treatment(&rated.tax)));
    for (number, line) in (1..).zip(&mut lines) {
        line.number = number;
    }
    let id = draft_id(book, &group, charge_date, own.rated.is_empty(), run);
    let heading = Heading { id, group: &group, charge_date };
    let of_plans = dunning_policy_of_plans(&own.rated);
    let mut draft =
        assemble(book, payer, &heading, lines, &treatments).map_err(|gap| Parked(gap.to_string()))?;
    draft.dunning_policy = of_plans.or(draft.dunning_policy);
    draft.due_date = due_date(&draft, run.as_of);
    let taken = own.rated.into_iter().zip(&draft.lines[carried_lines..]).map(|(rated, line)| BilledLine {
        invoice: Some(id),
        tax_category: line.tax_category,
        tax_pct: line.tax_pct,
        priced_minor: line.priced_minor(),
        vat_minor: line.vat_minor,
        ..rated.taken
    });
    let taken = taken.collect();
    Ok(Drafted { draft, taken })
}

/// What a draft is made for, besides its lines.
#[derive(Debug, Clone, Copy)]
pub(super) struct Heading<'h> {
    pub id: InvoiceId,
    pub group: &'h Group,
    pub charge_date: NaiveDate,
}

/// Taxes numbered lines and makes the draft of them: dates, parties, series and sums. `treatments` has one entry per
/// line.
///
/// # Errors
/// If no tax rule matches a line.
pub(super) fn assemble(
    book: &PayerBook,
    payer: &Customer,
    heading: &Heading<'_>,
    mut lines: Vec<Line>,
    treatments: &[Treatment<'_>],
) -> Result<Draft, NoTaxRule> {
    let tenant = &book.catalogue.tenant;
    let group = heading.group;
    tax::assign(&mut lines, treatments, &book.catalogue.tax_rules, seller_tax(tenant), buyer_tax(payer))?;
    keep_reasons(&mut lines, treatments, &book.catalogue.tax_rules);
    let invoice_date = invoice_date(tenant, heading.charge_date, &lines);
    let vat_groups = tax::vat(&mut lines, group.currency);
    let net_minor = lines.iter().map(|line| line.subtotal_minor).sum();
    let vat_minor = lines.iter().map(|line| line.vat_minor).sum();
    let is_credit_note = net_minor + vat_minor < 0;
    let (series, number_pattern) = series(&book.catalogue, payer, is_credit_note, invoice_date);
    let payment_term = payer.payment_term.unwrap_or(tenant.payment_term);
    Ok(Draft {
        id: heading.id,
        payer: payer.id,
        account_number: payer.account_number.clone(),
        subscription: group.subscription,
        subscription_number: group.subscription_number.clone(),
        child: child(payer, &lines),
        currency: group.currency,
        charge_date: heading.charge_date,
        invoice_date,
        due_date: plus_days(invoice_date, i64::from(payment_term)),
        payment_term,
        is_credit_note,
        credits: if is_credit_note { amended(&lines) } else { Vec::new() },
        series,
        number_pattern,
        autobill: payer.autobill,
        seller: seller(tenant),
        buyer: buyer(payer),
        payment_method: group
            .payment_method
            .clone()
            .or_else(|| payer.default_method().map(|method| method.refkey.clone())),
        reference: reference(book, payer, group),
        language: payer.language.clone().unwrap_or_else(|| tenant.language.clone()),
        business_unit: payer.business_unit.clone(),
        dunning_policy: dunning_policy_of_unit(book, payer),
        lines,
        vat_groups,
        net_minor,
        vat_minor,
        revision: book.revision,
    })
}

/// The policy that the plans of all lines name (rules Y3).
fn dunning_policy_of_plans(rated: &[Rated]) -> Option<String> {
    let first = rated.first()?.dunning_policy.clone()?;
    rated.iter().all(|rated| rated.dunning_policy.as_ref() == Some(&first)).then_some(first)
}

fn dunning_policy_of_unit(book: &PayerBook, payer: &Customer) -> Option<String> {
    let unit = book.catalogue.business_units.get(payer.business_unit.as_ref()?)?;
    unit.dunning_policy.clone()
}

fn treatment(tax: &LineTax) -> Treatment<'_> {
    match tax {
        LineTax::ByRule => Treatment::ByRule,
        LineTax::ByRuleOf(day) => Treatment::ByRuleOf(*day),
        LineTax::Exempt(reason) => Treatment::Exempt(reason.as_deref()),
        LineTax::Kept => Treatment::Kept,
    }
}

/// What waited keeps its tax, but that another payer takes over is taxed as that one's (rules X2).
fn treatment_of_carried<'b>(book: &'b PayerBook, draft: &Draft, line: &Line) -> Treatment<'b> {
    if draft.payer == book.payer || line.amends.is_some() {
        return Treatment::Kept;
    }
    let charges = book.catalogue.plans.values().flat_map(|plan| &plan.charges);
    match charges.filter(|charge| charge.sku == line.sku).find(|charge| !charge.taxable) {
        Some(charge) => Treatment::Exempt(charge.exempt_reason.as_deref()),
        None => Treatment::ByRule,
    }
}

/// A line that keeps its tax says why it carries none, as the rule of that category does.
fn keep_reasons(lines: &mut [Line], treatments: &[Treatment<'_>], rules: &[TaxRule]) {
    for (line, treatment) in lines.iter_mut().zip(treatments) {
        if *treatment == Treatment::Kept && line.tax_reason.is_none() {
            let rule = rules.iter().find(|rule| rule.category == line.tax_category && rule.reason.is_some());
            line.tax_reason = rule.filter(|_| line.tax_pct.is_zero()).and_then(|rule| rule.reason.clone());
        }
    }
}

/// A carried line as it was before its VAT was split off, so that it can be taxed with the others (rules M4).
pub(super) fn before_tax(line: &Line) -> Line {
    let mut line = line.clone();
    if line.tax_inclusive {
        line.subtotal_minor += line.vat_minor;
    }
    line
}

/// rules S5; what was carried and goes out alone may meet a draft of the same day.
fn draft_id(
    book: &PayerBook,
    group: &Group,
    charge_date: NaiveDate,
    is_released: bool,
    run: RunContext,
) -> InvoiceId {
    let payer = book.payer;
    let subscription = group.subscription.map(|id| id.to_string()).unwrap_or_default();
    let method = group.payment_method.as_deref().filter(|_| group.subscription.is_none()).unwrap_or_default();
    let currency = group.currency;
    let carried = if is_released { "carried" } else { "" };
    let natural =
        format!("{payer}\u{1f}{subscription}\u{1f}{currency}\u{1f}{charge_date}\u{1f}{method}{carried}");
    InvoiceId(ids::run_made(run.ordinal, run.place, "invoice", &natural))
}

/// rules I2: the charge date, or the day before if any line is in arrears; or the first day of any line.
fn invoice_date(tenant: &Tenant, charge_date: NaiveDate, lines: &[Line]) -> NaiveDate {
    match tenant.invoice_date_rule {
        InvoiceDateRule::ChargeDate if lines.iter().any(|line| line.arrears) => previous_day(charge_date),
        InvoiceDateRule::ChargeDate => charge_date,
        InvoiceDateRule::Earliest => {
            lines.iter().map(|line| line.period.start).chain([charge_date]).min().unwrap_or(charge_date)
        }
    }
}

/// Series and pattern of a number (rules I5): of the payer's business unit if it has a pattern of its own, else the
/// tenant's; by year where the pattern holds `{year}`.
pub(super) fn series(
    catalogue: &Catalogue,
    payer: &Customer,
    is_credit_note: bool,
    invoice_date: NaiveDate,
) -> (String, String) {
    series_of(catalogue, payer.business_unit.as_deref(), is_credit_note, invoice_date)
}

/// As [`series`], for a business unit.
pub(super) fn series_of(
    catalogue: &Catalogue,
    business_unit: Option<&str>,
    is_credit_note: bool,
    invoice_date: NaiveDate,
) -> (String, String) {
    let tenant = &catalogue.tenant;
    let unit = business_unit.and_then(|refkey| catalogue.business_units.get(refkey));
    let own = unit.and_then(|unit| {
        let pattern =
            if is_credit_note { &unit.credit_note_number_pattern } else { &unit.invoice_number_pattern };
        pattern.as_ref().map(|pattern| (format!("{}/", unit.refkey), pattern.clone()))
    });
    let (prefix, pattern) = own.unwrap_or_else(|| {
        let pattern =
            if is_credit_note { &tenant.credit_note_number_pattern } else { &tenant.invoice_number_pattern };
        (String::new(), pattern.clone())
    });
    let kind = if is_credit_note { "credit_note" } else { "invoice" };
    let year = if pattern.contains("{year}") { format!("/{}", invoice_date.year()) } else { String::new() };
    (format!("{prefix}{kind}{year}"), pattern)
}

/// rules B2: the owner, if it is one for all lines and not the payer.
fn child(payer: &Customer, lines: &[Line]) -> Option<CustomerId> {
    let first = lines.first()?.owner;
    (first != payer.id && lines.iter().all(|line| line.owner == first)).then_some(first)
}

fn amended(lines: &[Line]) -> Vec<String> {
    let numbers: BTreeSet<&String> = lines.iter().filter_map(|line| line.amends.as_ref()).collect();
    numbers.into_iter().cloned().collect()
}

fn reference(book: &PayerBook, payer: &Customer, group: &Group) -> Option<String> {
    let subscription = group.subscription.and_then(|id| book.subscriptions.get(&id));
    subscription.and_then(|s| s.reference.clone()).or_else(|| payer.our_reference.clone())
}

pub(super) fn seller(tenant: &Tenant) -> Party {
    Party {
        name: tenant.fullname.clone(),
        vat_number: number_of(tenant.company_vat.as_ref()).cloned(),
        address: tenant.address.clone(),
        email: tenant.email.clone(),
    }
}

pub(super) fn buyer(payer: &Customer) -> Party {
    Party {
        name: payer.company_name.clone().unwrap_or_else(|| payer.fullname.clone()),
        vat_number: number_of(payer.company_vat.as_ref()).cloned(),
        address: payer.address.clone(),
        email: payer.invoice_addresses().into_iter().next(),
    }
}

/// A VAT number that has the form of one: books of earlier versions hold words too, which count as absent (rules X1).
fn number_of(written: Option<&String>) -> Option<&String> {
    written.filter(|number| vat_number::is_valid(number))
}

/// The seller as tax sees it.
pub fn seller_tax(tenant: &Tenant) -> TaxParty<'_> {
    TaxParty {
        country: tenant.address.country.as_deref(),
        state: tenant.address.state.as_deref(),
        vat_number: number_of(tenant.company_vat.as_ref()).map(String::as_str),
    }
}

/// The payer as tax sees it.
pub fn buyer_tax(payer: &Customer) -> TaxParty<'_> {
    TaxParty {
        country: payer.address.country.as_deref(),
        state: payer.address.state.as_deref(),
        vat_number: number_of(payer.company_vat.as_ref()).map(String::as_str),
    }
}
