//! What is asked of a subscription: a verb with its arguments as they are written (rules S2).

use super::state::VerbName;
use super::{CancelOption, ResumeOption, SwitchWhen};
use crate::book_file::nearest;
use crate::decimal::{Digits, PRICE, QUANTITY, parse};
use crate::refusal::{Code, Refusal};
use chrono::NaiveDate;
use rust_decimal::Decimal;
use serde_json::{Map, Value};
use std::cell::RefCell;

/// A verb and its arguments, names not yet looked up.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    Activate,
    /// None: at renewal if there is a term, else before the next billing.
    Cancel {
        option: Option<CancelOption>,
        date: Option<NaiveDate>,
        refund_prorated: bool,
    },
    Reactivate,
    Hold {
        refund_prorated: bool,
    },
    Resume {
        option: ResumeOption,
    },
    Expire {
        refund_prorated: bool,
    },
    SwitchPlan {
        plan: String,
        when: SwitchWhen,
        prorate: Option<bool>,
    },
    /// None: every recurring charge (`all`), or the only charge that takes a quantity.
    SetAmount {
        charge: Option<String>,
        all: bool,
        amount: Decimal,
        prorate: Option<bool>,
    },
    SetPrice {
        charge: String,
        unit_price: Option<Decimal>,
    },
    AddOptionalCharge {
        charge: String,
        amount: Option<Decimal>,
        unit_price: Option<Decimal>,
    },
    RemoveCharge {
        charge: String,
        refund_prorated: bool,
    },
    /// None flips it.
    ToggleCharge {
        charge: String,
        toggled: Option<bool>,
    },
    HoldCharge {
        charge: String,
        refund_prorated: bool,
    },
    ResumeCharge {
        charge: String,
        option: ResumeOption,
    },
    SetPaymentMethod {
        refkey: Option<String>,
    },
    SetNextChargeDate {
        charge: String,
        date: NaiveDate,
    },
    SkipNextCharge {
        charge: String,
    },
    SetTrialEnd {
        date: NaiveDate,
    },
    Renew,
    ApplyDiscount {
        charge: Option<String>,
        code: String,
    },
    ClearDiscount {
        charge: Option<String>,
    },
}

impl Request {
    /// The verb.
    pub fn verb(&self) -> VerbName {
        match self {
            Self::Activate => VerbName::Activate,
            Self::Cancel { .. } => VerbName::Cancel,
            Self::Reactivate => VerbName::Reactivate,
            Self::Hold { .. } => VerbName::Hold,
            Self::Resume { .. } => VerbName::Resume,
            Self::Expire { .. } => VerbName::Expire,
            Self::SwitchPlan { .. } => VerbName::SwitchPlan,
            Self::SetAmount { .. } => VerbName::SetAmount,
            Self::SetPrice { .. } => VerbName::SetPrice,
            Self::AddOptionalCharge { .. } => VerbName::AddOptionalCharge,
            Self::RemoveCharge { .. } => VerbName::RemoveCharge,
            Self::ToggleCharge { .. } => VerbName::ToggleCharge,
            Self::HoldCharge { .. } => VerbName::HoldCharge,
            Self::ResumeCharge { .. } => VerbName::ResumeCharge,
            Self::SetPaymentMethod { .. } => VerbName::SetPaymentMethod,
            Self::SetNextChargeDate { .. } => VerbName::SetNextChargeDate,
            Self::SkipNextCharge { .. } => VerbName::SkipNextCharge,
            Self::SetTrialEnd { .. } => VerbName::SetTrialEnd,
            Self::Renew => VerbName::Renew,
            Self::ApplyDiscount { .. } => VerbName::ApplyDiscount,
            Self::ClearDiscount { .. } => VerbName::ClearDiscount,
        }
    }

    /// Reads a request from a verb's name and its arguments: Upodi's names, in any case. Decimals and dates are text
    /// (numbers are taken as written), options are names or Upodi's numbers.
    ///
    /// # Errors
    /// `unknown_verb`, `missing_argument`, `bad_argument`.
    pub fn read(verb: &str, arguments: &Map<String, Value>) -> Result<Self, Refusal> {
        let Some(name) = VerbName::parse(verb) else {
            let names: Vec<&str> = VerbName::ALL.iter().map(|v| v.name()).collect();
            let message = format!("there is no verb `{verb}` of subscriptions");
            return Err(Refusal::new(Code::UnknownVerb, message).hint(format!("one of {}", names.join(", "))));
        };
        let read = Arguments::of(arguments);
        let charge = || read.text(&CHARGE);
        let named_charge = || read.required(&CHARGE, charge());
        let request = match name {
            VerbName::Activate => Self::Activate,
            VerbName::Cancel => Self::Cancel {
                option: read.option(&["option", "canceloption", "when"], CANCEL_OPTIONS)?,
                date: read.date(&["date", "enddate", "at"])?,
                refund_prorated: read.refund()?,
            },
            VerbName::Reactivate => Self::Reactivate,
            VerbName::Hold => Self::Hold { refund_prorated: read.refund()? },
            VerbName::Resume => Self::Resume { option: read.resume_option()? },
            VerbName::Expire => Self::Expire { refund_prorated: read.refund()? },
            VerbName::SwitchPlan => Self::SwitchPlan {
                plan: read.required(&PLAN, read.text(&PLAN))?,
                when: read.option(&["when", "option"], SWITCH_OPTIONS)?.unwrap_or(SwitchWhen::Now),
                prorate: read.flag(&["prorate"])?,
            },
            VerbName::SetAmount => Self::SetAmount {
                charge: charge(),
                all: read.flag(&["all"])?.unwrap_or(false),
                amount: read.required(&AMOUNT, read.decimal(&AMOUNT, QUANTITY)?)?,
                prorate: read.flag(&["prorate"])?,
            },
            VerbName::SetPrice => {
                Self::SetPrice { charge: named_charge()?, unit_price: read.decimal(&UNIT_PRICE, PRICE)? }
            }
            VerbName::AddOptionalCharge => Self::AddOptionalCharge {
                charge: named_charge()?,
                amount: read.decimal(&AMOUNT, QUANTITY)?,
                unit_price: read.decimal(&UNIT_PRICE, PRICE)?,
            },
            VerbName::RemoveCharge => {
                Self::RemoveCharge { charge: named_charge()?, refund_prorated: read.refund()? }
            }
            VerbName::ToggleCharge => {
                Self::ToggleCharge { charge: named_charge()?, toggled: read.flag(&["toggled"])? }
            }
            VerbName::HoldCharge => {
                Self::HoldCharge { charge: named_charge()?, refund_prorated: read.refund()? }
            }
            VerbName::ResumeCharge => {
                Self::ResumeCharge { charge: named_charge()?, option: read.resume_option()? }
            }
            VerbName::SetPaymentMethod => Self::SetPaymentMethod {
                refkey: read.text(&["paymentmethod", "paymentmethodid", "refkey", "method"]),
            },
            VerbName::SetNextChargeDate => Self::SetNextChargeDate {
                charge: named_charge()?,
                date: read.required(&NEXT_DATE, read.date(&NEXT_DATE)?)?,
            },
            VerbName::SkipNextCharge => Self::SkipNextCharge { charge: named_charge()? },
            VerbName::SetTrialEnd => {
                Self::SetTrialEnd { date: read.required(&TRIAL_END, read.date(&TRIAL_END)?)? }
            }
            VerbName::Renew => Self::Renew,
            VerbName::ApplyDiscount => {
                Self::ApplyDiscount { charge: charge(), code: read.required(&CODE, read.text(&CODE))? }
            }
            VerbName::ClearDiscount => Self::ClearDiscount { charge: charge() },
        };
        let of_any_verb: Vec<&str> = EFFECTIVE.iter().copied().chain(["subscription"]).collect();
        read.refuse_others(&of_any_verb)?;
        Ok(request)
    }
}

/// Names of the day on which a change takes effect, of any verb.
pub const EFFECTIVE: [&str; 3] = ["effective", "effectivedate", "from_date"];
/// What any step may say: its day, its verb, and words for people.
const ANY_STEP: [&str; 6] = ["on", "do", "name", "note", "comment", "reason"];
const CHARGE: [&str; 8] = [
    "charge",
    "subscriptioncharge",
    "reference",
    "referenceid",
    "productplancharge",
    "productplanchargeid",
    "sku",
    "anchorcode",
];
const PLAN: [&str; 3] = ["plan", "productplan", "productplanid"];
const AMOUNT: [&str; 2] = ["amount", "quantity"];
const UNIT_PRICE: [&str; 3] = ["unitprice", "price", "customprice"];
const NEXT_DATE: [&str; 2] = ["date", "nextchargedate"];
const TRIAL_END: [&str; 2] = ["date", "trialend"];
const CODE: [&str; 3] = ["code", "discountcode", "discount"];

/// Options by name; the place of each is Upodi's number.
const CANCEL_OPTIONS: &[(&str, CancelOption)] = &[
    ("at_renewal", CancelOption::AtRenewal),
    ("immediately", CancelOption::Immediately),
    ("before_next_billing", CancelOption::BeforeNextBilling),
    ("on_date", CancelOption::OnDate),
];
const RESUME_OPTIONS: &[(&str, ResumeOption)] = &[
    ("next_period", ResumeOption::NextPeriod),
    ("from_hold_date", ResumeOption::FromHoldDate),
    ("today", ResumeOption::Today),
];
const SWITCH_OPTIONS: &[(&str, SwitchWhen)] = &[
    ("now", SwitchWhen::Now),
    ("next_charge", SwitchWhen::NextCharge),
    ("at_renewal", SwitchWhen::AtRenewal),
];

/// The arguments of a step, looked up by several names.
pub struct Arguments<'a> {
    map: &'a Map<String, Value>,
    /// Every name that was looked up.
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Arguments<'a> {
    /// The arguments in this object.
    pub fn of(map: &'a Map<String, Value>) -> Self {
        Self { map, asked: RefCell::default() }
    }

    /// Refuses an argument that nobody has looked up and that is not one of `others`: a misspelt one would be left out
    /// in silence.
    ///
    /// # Errors
    /// `unknown_argument`.
    pub fn refuse_others(&self, others: &[&str]) -> Result<(), Refusal> {
        let asked = self.asked.borrow();
        let known = || asked.iter().chain(others).chain(&ANY_STEP).copied();
        let Some(unknown) = self.map.keys().find(|key| !known().any(|name| key.eq_ignore_ascii_case(name)))
        else {
            return Ok(());
        };
        let refusal =
            Refusal::new(Code::UnknownArgument, format!("`{unknown}` is not an argument of this step"));
        Err(match nearest(&unknown.to_ascii_lowercase(), known()) {
            Some(near) => refusal.hint(format!("did you mean `{near}`?")),
            None => refusal.hint(format!("one of {}", known().collect::<Vec<_>>().join(", "))),
        })
    }

    /// The value under the first of these names that is there and not null; names are read in any case.
    pub fn value(&self, names: &[&'static str]) -> Option<&'a Value> {
        self.asked.borrow_mut().extend_from_slice(names);
        let found = names.iter().find_map(|name| {
            self.map.get(*name).or_else(|| {
                self.map.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
            })
        });
        found.filter(|value| !value.is_null())
    }

    /// Text, or a number or flag as written.
    pub fn text(&self, names: &[&'static str]) -> Option<String> {
        match self.value(names)? {
            Value::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(flag) => Some(flag.to_string()),
            _ => None,
        }
    }

    /// What was found, or a refusal that names the argument.
    ///
    /// # Errors
    /// `missing_argument`.
    pub fn required<T>(&self, names: &[&'static str], found: Option<T>) -> Result<T, Refusal> {
        found.ok_or_else(|| Refusal::new(Code::MissingArgument, format!("`{}` is missing", names[0])))
    }

    /// A day.
    ///
    /// # Errors
    /// `bad_argument`.
    pub fn date(&self, names: &[&'static str]) -> Result<Option<NaiveDate>, Refusal> {
        let Some(text) = self.text(names) else { return Ok(None) };
        let date = text.parse().map_err(|_| bad(names[0], &text, "a date like 2026-01-31"))?;
        Ok(Some(date))
    }

    /// A decimal of 0 or more.
    ///
    /// # Errors
    /// `bad_argument`.
    pub fn decimal(&self, names: &[&'static str], bounds: Digits) -> Result<Option<Decimal>, Refusal> {
        let Some(text) = self.text(names) else { return Ok(None) };
        match parse(&text, bounds) {
            Ok(value) if value >= Decimal::ZERO => Ok(Some(value)),
            Ok(_) => Err(bad(names[0], &text, "0 or more")),
            Err(fault) => Err(Refusal::new(Code::BadArgument, format!("`{}`: `{text}` {fault}", names[0]))),
        }
    }

    /// Yes or no.
    ///
    /// # Errors
    /// `bad_argument`.
    pub fn flag(&self, names: &[&'static str]) -> Result<Option<bool>, Refusal> {
        match self.text(names).map(|text| text.to_ascii_lowercase()).as_deref() {
            None => Ok(None),
            Some("true" | "yes" | "1") => Ok(Some(true)),
            Some("false" | "no" | "0") => Ok(Some(false)),
            Some(other) => Err(bad(names[0], other, "true or false")),
        }
    }

    /// One of the options, by its name in any spelling or by its number.
    fn option<T: Copy>(&self, names: &[&'static str], options: &[(&str, T)]) -> Result<Option<T>, Refusal> {
        let Some(text) = self.text(names) else { return Ok(None) };
        let plain = |text: &str| -> String {
            text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
        };
        let wanted = plain(&text);
        let by_number = wanted.parse::<usize>().ok().and_then(|number| options.get(number));
        let found = options.iter().find(|(name, _)| plain(name) == wanted).or(by_number);
        let named = || options.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
        found
            .map(|(_, option)| Some(*option))
            .ok_or_else(|| bad(names[0], &text, &format!("one of {}", named())))
    }

    fn resume_option(&self) -> Result<ResumeOption, Refusal> {
        let option = self.option(&["option", "resumeoption", "from", "strategy"], RESUME_OPTIONS)?;
        Ok(option.unwrap_or(ResumeOption::NextPeriod))
    }

    /// `refund: "prorated"` or true (rules R4).
    fn refund(&self) -> Result<bool, Refusal> {
        match self.text(&["refund"]).map(|text| text.to_ascii_lowercase()).as_deref() {
            None | Some("none" | "false" | "no") => Ok(false),
            Some("prorated" | "true" | "yes") => Ok(true),
            Some(other) => Err(bad("refund", other, "prorated or none")),
        }
    }
}

fn bad(name: &str, text: &str, expected: &str) -> Refusal {
    Refusal::new(Code::BadArgument, format!("`{name}`: `{text}` is not {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(verb: &str, arguments: Value) -> Result<Request, Refusal> {
        Request::read(verb, arguments.as_object().unwrap())
    }

    #[test]
    fn arguments_are_read_by_upodis_names_and_numbers() {
        let three = "3".parse().unwrap();
        assert_eq!(
            read("setAmount", json!({"ProductPlanChargeID": "PRO-BASE", "quantity": 3, "prorate": true}))
                .unwrap(),
            Request::SetAmount {
                charge: Some("PRO-BASE".into()),
                all: false,
                amount: three,
                prorate: Some(true)
            }
        );
        let date = "2026-03-01".parse().ok();
        for option in [json!("on_date"), json!(3), json!("OnDate")] {
            assert_eq!(
                read("cancel", json!({"option": option, "date": "2026-03-01", "refund": "prorated"}))
                    .unwrap(),
                Request::Cancel { option: Some(CancelOption::OnDate), date, refund_prorated: true }
            );
        }
        assert_eq!(read("resume", json!({})).unwrap(), Request::Resume { option: ResumeOption::NextPeriod });
    }

    #[test]
    fn bad_arguments_are_named() {
        let table = [
            ("explode", json!({}), "unknown_verb", "explode"),
            ("setamount", json!({"charge": "A"}), "missing_argument", "amount"),
            ("setamount", json!({"charge": "A", "amount": "-1"}), "bad_argument", "-1"),
            ("setamount", json!({"amount": "1.0000000001"}), "bad_argument", "more than 9 decimals"),
            ("cancel", json!({"option": "sometime"}), "bad_argument", "sometime"),
            ("setnextchargedate", json!({"charge": "A", "date": "2026-02-30"}), "bad_argument", "2026-02-30"),
            ("cancel", json!({"refund": "all"}), "bad_argument", "all"),
            ("cancel", json!({"option": "on_date", "dat": "2026-03-01"}), "unknown_argument", "dat"),
            ("hold", json!({"Do": "hold", "ON": "2026-03-01", "amount": "1"}), "unknown_argument", "amount"),
        ];
        for (verb, arguments, code, words) in table {
            let refused = read(verb, arguments).unwrap_err();
            assert_eq!(refused.code.word(), code, "{verb}");
            assert!(refused.message.contains(words), "{}", refused.message);
        }
    }
}
