//! The verbs as flags. They become the arguments that a `simulate` step has, and are read by the same function, so
//! that both take the same words and refuse the same.

use domain::NaiveDate;
use serde_json::{Map, Value};

/// When a verb is done, and whether it is done at all.
#[derive(Debug, Clone, clap::Args)]
pub struct When {
    /// Day on which it is done (default: today, tenant-local)
    #[arg(long, value_name = "DATE")]
    pub on: Option<NaiveDate>,
    /// First day of the new state, if it is another day; ahead, or back as far as nothing is billed
    #[arg(long, value_name = "DATE")]
    pub effective: Option<NaiveDate>,
    /// Change nothing; show what it would cost
    #[arg(long)]
    pub preview: bool,
    /// With --preview: bill up to this day (default: the first day at which the change shows)
    #[arg(long, value_name = "DATE", requires = "preview")]
    pub as_of: Option<NaiveDate>,
}

/// rules S2.
#[derive(Debug, Clone, clap::Subcommand)]
#[command(rename_all = "lower")]
pub enum Change {
    /// Start a draft
    Activate {
        number: String,
        #[command(flatten)]
        when: When,
    },
    /// End it
    Cancel {
        number: String,
        /// at_renewal, immediately, before_next_billing or on_date (default: at renewal, else before the next billing)
        #[arg(long)]
        option: Option<String>,
        /// With on_date: first day after it
        #[arg(long)]
        date: Option<NaiveDate>,
        /// `prorated` credits what is paid in advance
        #[arg(long, value_name = "prorated|none")]
        refund: Option<String>,
        #[command(flatten)]
        when: When,
    },
    /// Take a cancellation or a hold back
    Reactivate {
        number: String,
        #[command(flatten)]
        when: When,
    },
    /// Stop service for a while
    Hold {
        number: String,
        /// `prorated` credits what is paid in advance
        #[arg(long, value_name = "prorated|none")]
        refund: Option<String>,
        #[command(flatten)]
        when: When,
    },
    /// End a hold
    Resume {
        number: String,
        /// next_period, from_hold_date or today
        #[arg(long)]
        option: Option<String>,
        #[command(flatten)]
        when: When,
    },
    /// End it today, for good
    Expire {
        number: String,
        /// `prorated` credits what is paid in advance
        #[arg(long, value_name = "prorated|none")]
        refund: Option<String>,
        #[command(flatten)]
        when: When,
    },
    /// Move it to another plan; charges are paired by anchor code
    Switchplan {
        number: String,
        /// SKU of the plan
        #[arg(long)]
        plan: String,
        /// now, next_charge or at_renewal
        #[arg(long = "when")]
        when_option: Option<String>,
        /// Whether the rest of the period is prorated, whatever the plan says
        #[arg(long)]
        prorate: Option<bool>,
        #[command(flatten)]
        when: When,
    },
    /// Set the quantity of a charge
    Setamount {
        number: String,
        /// SKU, anchor code or reference; may be left out if only one charge takes a quantity
        #[arg(long)]
        charge: Option<String>,
        /// Every recurring charge
        #[arg(long, conflicts_with = "charge")]
        all: bool,
        #[arg(long)]
        amount: String,
        #[arg(long)]
        prorate: Option<bool>,
        #[command(flatten)]
        when: When,
    },
    /// Set the quantity of the charge with this reference, whoever has it
    Setamountbyreferenceid {
        /// The charge's reference id
        reference: String,
        #[arg(long)]
        amount: String,
        #[arg(long)]
        prorate: Option<bool>,
        #[command(flatten)]
        when: When,
    },
    /// Give a charge a price of its own, or the plan's again
    Setprice {
        number: String,
        #[arg(long)]
        charge: String,
        /// Major units; left out: the plan's price
        #[arg(long)]
        unitprice: Option<String>,
        #[command(flatten)]
        when: When,
    },
    /// Add an optional charge of the plan
    Addoptionalcharge {
        number: String,
        #[arg(long)]
        charge: String,
        #[arg(long)]
        amount: Option<String>,
        #[arg(long)]
        unitprice: Option<String>,
        #[command(flatten)]
        when: When,
    },
    /// Take a charge off
    Removecharge {
        number: String,
        #[arg(long)]
        charge: String,
        /// `prorated` credits what is paid in advance
        #[arg(long, value_name = "prorated|none")]
        refund: Option<String>,
        #[command(flatten)]
        when: When,
    },
    /// Switch a charge off or on
    Togglecharge {
        number: String,
        #[arg(long)]
        charge: String,
        /// true: off; left out: the other way round
        #[arg(long)]
        toggled: Option<bool>,
        #[command(flatten)]
        when: When,
    },
    /// Stop one charge for a while
    Holdcharge {
        number: String,
        #[arg(long)]
        charge: String,
        /// `prorated` credits what is paid of it in advance
        #[arg(long, value_name = "prorated|none")]
        refund: Option<String>,
        #[command(flatten)]
        when: When,
    },
    /// End the hold of one charge
    Resumecharge {
        number: String,
        #[arg(long)]
        charge: String,
        /// next_period, from_hold_date or today
        #[arg(long)]
        option: Option<String>,
        #[command(flatten)]
        when: When,
    },
    /// Pay with another method, or the customer's default again
    Setpaymentmethod {
        number: String,
        /// Refkey; left out: the customer's default
        #[arg(long)]
        method: Option<String>,
        #[command(flatten)]
        when: When,
    },
    /// Move the next charge date of a charge
    Setnextchargedate {
        number: String,
        #[arg(long)]
        charge: String,
        #[arg(long)]
        date: NaiveDate,
        #[command(flatten)]
        when: When,
    },
    /// Bill the next period of a charge as nothing
    Skipnextcharge {
        number: String,
        #[arg(long)]
        charge: String,
        #[command(flatten)]
        when: When,
    },
    /// Let the trial end on another day, as long as the service has not begun
    Settrialend {
        number: String,
        /// First day after the trial
        #[arg(long)]
        date: NaiveDate,
        #[command(flatten)]
        when: When,
    },
    /// Begin the next term now
    Renew {
        number: String,
        #[command(flatten)]
        when: When,
    },
    /// Apply a discount code to it or to one of its charges
    Applydiscount {
        number: String,
        /// PREFIX-CODE
        #[arg(long)]
        code: String,
        #[arg(long)]
        charge: Option<String>,
        #[command(flatten)]
        when: When,
    },
    /// End the discount on it or on one of its charges
    Cleardiscount {
        number: String,
        #[arg(long)]
        charge: Option<String>,
        #[command(flatten)]
        when: When,
    },
}

/// Arguments of a step, as `simulate` takes them.
#[derive(Default)]
struct Step(Map<String, Value>);

impl Step {
    fn on(number: String) -> Self {
        Self::default().with("subscription", Some(number))
    }

    /// Left out if there is no value.
    fn with<T: ToString>(mut self, name: &str, value: Option<T>) -> Self {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), Value::String(value.to_string()));
        }
        self
    }
}

impl Change {
    /// The verb's name, its arguments, and when.
    pub fn asked(self) -> (&'static str, Map<String, Value>, When) {
        let (verb, step, when) = match self {
            Self::Activate { number, when } => ("activate", Step::on(number), when),
            Self::Cancel { number, option, date, refund, when } => {
                let step = Step::on(number).with("option", option).with("date", date).with("refund", refund);
                ("cancel", step, when)
            }
            Self::Reactivate { number, when } => ("reactivate", Step::on(number), when),
            Self::Hold { number, refund, when } => ("hold", Step::on(number).with("refund", refund), when),
            Self::Resume { number, option, when } => {
                ("resume", Step::on(number).with("option", option), when)
            }
            Self::Expire { number, refund, when } => {
                ("expire", Step::on(number).with("refund", refund), when)
            }
            Self::Switchplan { number, plan, when_option, prorate, when } => {
                let step = Step::on(number).with("plan", Some(plan)).with("when", when_option);
                ("switchplan", step.with("prorate", prorate), when)
            }
            Self::Setamount { number, charge, all, amount, prorate, when } => {
                let step = Step::on(number).with("charge", charge).with("all", all.then_some(true));
                ("setamount", step.with("amount", Some(amount)).with("prorate", prorate), when)
            }
            Self::Setamountbyreferenceid { reference, amount, prorate, when } => {
                let step = Step::default().with("charge", Some(reference)).with("amount", Some(amount));
                ("setamount", step.with("prorate", prorate), when)
            }
            Self::Setprice { number, charge, unitprice, when } => {
                ("setprice", Step::on(number).with("charge", Some(charge)).with("unitprice", unitprice), when)
            }
            Self::Addoptionalcharge { number, charge, amount, unitprice, when } => {
                let step = Step::on(number).with("charge", Some(charge)).with("amount", amount);
                ("addoptionalcharge", step.with("unitprice", unitprice), when)
            }
            Self::Removecharge { number, charge, refund, when } => {
                let step = Step::on(number).with("charge", Some(charge)).with("refund", refund);
                ("removecharge", step, when)
            }
            Self::Togglecharge { number, charge, toggled, when } => {
                ("togglecharge", Step::on(number).with("charge", Some(charge)).with("toggled", toggled), when)
            }
            Self::Holdcharge { number, charge, refund, when } => {
                ("holdcharge", Step::on(number).with("charge", Some(charge)).with("refund", refund), when)
            }
            Self::Resumecharge { number, charge, option, when } => {
                ("resumecharge", Step::on(number).with("charge", Some(charge)).with("option", option), when)
            }
            Self::Setpaymentmethod { number, method, when } => {
                ("setpaymentmethod", Step::on(number).with("method", method), when)
            }
            Self::Setnextchargedate { number, charge, date, when } => {
                let step = Step::on(number).with("charge", Some(charge)).with("date", Some(date));
                ("setnextchargedate", step, when)
            }
            Self::Skipnextcharge { number, charge, when } => {
                ("skipnextcharge", Step::on(number).with("charge", Some(charge)), when)
            }
            Self::Settrialend { number, date, when } => {
                ("settrialend", Step::on(number).with("date", Some(date)), when)
            }
            Self::Renew { number, when } => ("renew", Step::on(number), when),
            Self::Applydiscount { number, code, charge, when } => {
                ("applydiscount", Step::on(number).with("code", Some(code)).with("charge", charge), when)
            }
            Self::Cleardiscount { number, charge, when } => {
                ("cleardiscount", Step::on(number).with("charge", charge), when)
            }
        };
        (verb, step.0, when)
    }
}
