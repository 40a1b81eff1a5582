//! Discounts, their codes, and the mark of a code on whoever enjoys it, as written.

use super::checks;
use super::fields::{Fields, Ref};
use crate::catalogue::{Discount, DiscountCode, DiscountType, ExpiryPeriod};
use crate::decimal::{PRICE, RATE};
use chrono::NaiveDate;
use rust_decimal::Decimal;

/// A discount with the plans that its codes are restricted to, not yet resolved.
pub(super) struct WrittenDiscount {
    pub discount: Discount,
    /// Plans by index of the code.
    pub plans: Vec<(usize, Ref)>,
}

/// A discount on a customer, subscription or charge: the code and its first day.
#[derive(Debug, Clone)]
pub(super) struct WrittenMark {
    pub code: Ref,
    pub from: Option<NaiveDate>,
}

/// Reads a discount (rules D1, D2).
pub(super) fn discount(fields: &mut Fields<'_, '_>) -> Option<WrittenDiscount> {
    let refkey = fields.key("refkey");
    let fullname = fields.text("fullname");
    let kind =
        fields.choice("type", DiscountType::parse, DiscountType::NAMES).unwrap_or(DiscountType::Percentage);
    let currency = fields.currency("currencycode");
    let amount = amount(fields, kind, currency);
    let invoice_text = fields.text("invoicetext");
    let expiry = expiry(fields);
    let mut plans = Vec::new();
    let codes = fields.each("codes|discountcodes", |code, index| {
        let (code, restricted) = read_code(code)?;
        plans.extend(restricted.into_iter().map(|plan| (index, plan)));
        Some(code)
    });
    let active = checks::is_active(fields);
    let refkey = refkey?;
    let fullname = fullname.unwrap_or_else(|| refkey.clone());
    let discount = Discount {
        invoice_text: invoice_text.unwrap_or_else(|| fullname.clone()),
        refkey,
        fullname,
        amount: amount?,
        kind,
        currency,
        expiry,
        codes: codes.into_iter().flatten().collect(),
        active,
    };
    Some(WrittenDiscount { discount, plans })
}

/// A percentage is a fraction up to 1; a fixed amount is in whole minor units of its currency.
fn amount(
    fields: &mut Fields<'_, '_>,
    kind: DiscountType,
    currency: Option<crate::money::Currency>,
) -> Option<Decimal> {
    match kind {
        DiscountType::Percentage => {
            if currency.is_some() {
                fields.fault("currencycode", "is only for the type fixed");
            }
            let amount = fields.non_negative("amount", RATE);
            let amount = fields.require("amount", amount)?;
            if amount > Decimal::ONE {
                let hint = "a percentage is a fraction: 0.10 is 10 %";
                fields.hinted("amount", format!("{amount} is more than the whole price"), hint);
            }
            Some(amount)
        }
        DiscountType::Fixed => {
            if !fields.has("currencycode") {
                fields.fault("currencycode", "is missing: the type fixed needs it");
            }
            let amount = fields.positive("amount", PRICE);
            let amount = fields.require("amount", amount)?;
            if let Some(currency) = currency.filter(|c| amount.normalize().scale() > c.decimals()) {
                fields.fault(
                    "amount",
                    format!("{amount} is not an amount of {currency}: it has too many decimals"),
                );
            }
            Some(amount)
        }
    }
}

fn expiry(fields: &mut Fields<'_, '_>) -> Option<(ExpiryPeriod, u32)> {
    let period = fields.choice("expiryperiod", ExpiryPeriod::parse, ExpiryPeriod::NAMES);
    let interval = fields.integer("expiryperiodinterval", 1..=10_000).and_then(|n| u32::try_from(n).ok());
    if fields.has("expiryperiod") != fields.has("expiryperiodinterval") {
        fields.fault("expiryperiod", "and `expiryperiodinterval` go together");
    }
    period.zip(interval)
}

fn read_code(fields: &mut Fields<'_, '_>) -> Option<(DiscountCode, Vec<Ref>)> {
    fields.ignore(&["id", "completecode", "isrestricted", "state", "usecount"]);
    let prefix = fields.key("codeprefix");
    let code = fields.key("code");
    let redemption = fields.count("redemption", 0).unwrap_or(0);
    let expire_date = fields.date("expiredate");
    let plans = fields.texts("productplans|plans");
    Some((DiscountCode { prefix: prefix?, code: code?, redemption, expire_date, plans: Vec::new() }, plans))
}

/// Reads `"discount": {"code": "LAUNCH-A1", "from": "2026-01-31"}`, or the code alone.
pub(super) fn mark(fields: &mut Fields<'_, '_>) -> Option<WrittenMark> {
    if fields.is_text("discount") {
        return fields.reference("discount").map(|code| WrittenMark { code, from: None });
    }
    fields
        .object("discount", |mark| {
            let code = mark.required_reference("code");
            let from = mark.date("from");
            Some(WrittenMark { code: code?, from })
        })
        .flatten()
}
