//! Subscriptions with their charges.

use super::Shape::*;
use super::{Table, assumed, not_used, optional, plan, required};
use crate::book_file::content::ObjectKind;
use crate::catalogue::TermPeriod;

const STATUS: &[&str] = &["draft", "active"];

pub(super) static SUBSCRIPTION: Table = Table {
    name: "subscription",
    meaning: "Which customer has which plan since when. After activation most of it is changed by verbs.",
    fields: &[
        required("subscriptionnumber", Text, "Name by which others refer to it; never changes."),
        required("customer|customerid", Reference(ObjectKind::Customer), "Owner."),
        required("productplan|productplanid", Reference(ObjectKind::ProductPlan), "What it is about."),
        assumed(
            "currencycode",
            Currency,
            "the customer's if the plan has it, else the plan's",
            "Currency in which it is billed.",
        ),
        required("startdate", Date, "First day."),
        optional("enddate", Date, "First day after it."),
        assumed("status", Choice(STATUS), "draft", "Only what is `active` is billed."),
        assumed("autorenew", Boolean, "false", "Goes on for another term at the end of one."),
        optional("initialtermperiod", Choice(TermPeriod::NAMES), "Unit of the first term."),
        optional("initialterminterval", Integer(0, 1_200), "So many units is the first term."),
        optional("renewaltermperiod", Choice(TermPeriod::NAMES), "Unit of the terms that follow."),
        optional("renewalterminterval", Integer(0, 1_200), "So many units is each of them."),
        optional("trialdays", Integer(0, 3_660), "Days at the start that cost nothing."),
        optional("trialend", Date, "First day after the trial, in place of `trialdays`."),
        optional(
            "billedthrough",
            Date,
            "Taken over from another system: what has a charge date before this day was billed there, and is never billed here.",
        ),
        optional("subscriptionreference", Text, "The buyer's reference, printed on invoices."),
        optional("refkey", Text, "Another name by which it may be referred to."),
        assumed(
            "businessunit|businessunitid",
            Reference(ObjectKind::BusinessUnit),
            "the customer's",
            "Branch that serves it.",
        ),
        assumed(
            "paymentmethod|paymentmethodid",
            Text,
            "the customer's default",
            "Refkey of a payment method of the payer.",
        ),
        optional("discount", TextOr(&plan::MARK), "Discount code that it enjoys."),
        assumed(
            "charges|subscriptioncharges",
            List(&CHARGE),
            "the plan's standard charges",
            "Quantities, prices and options of its own.",
        ),
        not_used("id"),
        not_used("isevergreen"),
        not_used("note"),
    ],
};

static CHARGE: Table = Table {
    name: "charge",
    meaning: "A charge of the plan on this subscription.",
    fields: &[
        required(
            "charge|sku|productplancharge|productplanchargeid",
            Text,
            "SKU or anchor code of the plan's charge.",
        ),
        assumed("amount", Decimal, "the plan's", "Quantity."),
        assumed("unitprice", Decimal, "the plan's", "Price of a unit; needed for `custom`."),
        assumed("startdate", Date, "the subscription's", "First day of the charge."),
        assumed(
            "billedthrough",
            Date,
            "the subscription's",
            "Where the other system billed this charge further, or less far.",
        ),
        optional("discount", TextOr(&plan::MARK), "Discount code on this charge alone."),
        not_used("id"),
        not_used("description"),
    ],
};
