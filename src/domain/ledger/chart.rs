//! The chart of accounts: which account a role has, and what the account is called (rules L1, B1).

use crate::catalogue::{BusinessUnit, TaxCategory};
use crate::country;
use crate::tax;
use rust_decimal::Decimal;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// Longest account code, in bytes.
pub const ACCOUNT_CODE_MAX: usize = 20;

/// What an account is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// What payers owe.
    Receivable,
    /// Money that a provider has taken and not yet paid out.
    Clearing,
    /// Money on its way back to payers.
    Refunds,
    /// Billed and not yet earned; used only if [`Chart::defer`] is set.
    DeferredRevenue,
    /// VAT owed to the state.
    VatPayable,
    Revenue,
    PaymentFees,
    /// Receivables written off.
    BadDebt,
    /// Differences too small to collect.
    Rounding,
    /// Other side of opening balances: of open items that were taken over, and in exports that begin in the midst.
    Opening,
}

/// Side of the balance that an account belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountType {
    Asset,
    Liability,
    Equity,
    Income,
    Expense,
}

/// An account of the chart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Stands on postings.
    pub code: String,
    /// For people.
    pub name: String,
    pub kind: AccountType,
    /// Name in plain-text journals, for example `assets:receivable`.
    pub path: String,
}

/// What a tenant changes about an account: `"5600"` or `{"code": "5600", "name": "Debitorer"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccountChange {
    pub code: String,
    /// The default name unless set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The tenant's chart: defaults, and what the tenant changes about them.
///
/// ```
/// # use domain::ledger::{Chart, Role};
/// let chart: Chart = serde_json::from_str(r#"{"receivable": "5600", "vat": {"S25": "6902"}}"#).unwrap();
/// assert_eq!(chart.account(Role::Receivable).code, "5600");
/// assert_eq!(chart.account(Role::Revenue).code, "4000");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Chart {
    /// Lines that are spread over their period go to deferred revenue first; `false` = revenue at once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub defer: bool,
    /// VAT accounts by category and rate, for example `S25` or `S12.5`, and of one country's buyers `S19@DE`; all others
    /// share the role's account.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vat: BTreeMap<String, AccountChange>,
    /// Revenue accounts by SKU of the charge; all others share the role's account.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub revenue_by_sku: BTreeMap<String, AccountChange>,
    /// Revenue accounts by SKU of the plan, where no charge has its own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub revenue_by_plan: BTreeMap<String, AccountChange>,
    /// Revenue accounts by the buyer's country, where neither charge nor plan has its own: `SE`, or `EU` and `world` for
    /// all others in and outside the Union but the seller's own.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub revenue_by_country: BTreeMap<String, AccountChange>,
    /// Accounts by the way in which money comes: the name of a gateway (`sandbox`, `stripe`), of a bank, or `manual`; all
    /// others share the role's account.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub clearing_by_gateway: BTreeMap<String, AccountChange>,
    #[serde(flatten)]
    pub roles: BTreeMap<Role, AccountChange>,
}

/// What decides a revenue account.
#[derive(Debug, Clone, Copy)]
pub struct Sold<'a> {
    pub sku: &'a str,
    /// SKU of the plan, if one alone has the charge.
    pub plan: Option<&'a str>,
    /// The buyer's and the seller's country.
    pub country: Option<&'a str>,
    pub home: Option<&'a str>,
}

impl Role {
    /// Every role, in the order of the default codes.
    pub const ALL: [Role; 10] = [
        Self::Receivable,
        Self::Clearing,
        Self::Refunds,
        Self::DeferredRevenue,
        Self::VatPayable,
        Self::Opening,
        Self::Revenue,
        Self::PaymentFees,
        Self::BadDebt,
        Self::Rounding,
    ];

    fn default_account(self) -> Account {
        use AccountType::{Asset, Equity, Expense, Income, Liability};
        let (code, name, kind, path) = match self {
            Self::Receivable => ("1100", "Trade receivables", Asset, "assets:receivable"),
            Self::Clearing => ("1900", "Payment clearing", Asset, "assets:clearing"),
            Self::Refunds => ("1910", "Refunds in transit", Asset, "assets:refunds"),
            Self::DeferredRevenue => ("2100", "Deferred revenue", Liability, "liabilities:deferred-revenue"),
            Self::VatPayable => ("2610", "VAT payable", Liability, "liabilities:vat"),
            Self::Opening => ("3000", "Opening balances", Equity, "equity:opening-balances"),
            Self::Revenue => ("4000", "Revenue", Income, "income:sales"),
            Self::PaymentFees => ("6100", "Payment fees", Expense, "expenses:payment-fees"),
            Self::BadDebt => ("6200", "Bad debt", Expense, "expenses:bad-debt"),
            Self::Rounding => ("6300", "Rounding differences", Expense, "expenses:rounding"),
        };
        Account { code: code.to_owned(), name: name.to_owned(), kind, path: path.to_owned() }
    }
}

impl Chart {
    /// The account of a role.
    pub fn account(&self, role: Role) -> Account {
        let mut account = role.default_account();
        if let Some(change) = self.roles.get(&role) {
            account.code.clone_from(&change.code);
            account.name = change.name.clone().unwrap_or(account.name);
        }
        account
    }

    /// Code of a role's account, without building the rest.
    pub fn code(&self, role: Role) -> String {
        self.roles.get(&role).map_or_else(|| role.default_account().code, |change| change.code.clone())
    }

    /// The VAT account of a (category, rate) group of a buyer in this country; `rate_pct` in percent.
    pub fn vat_account(&self, category: TaxCategory, rate_pct: Decimal, country: Option<&str>) -> Account {
        let key = vat_key(category, rate_pct);
        let of_country = country.map(|country| format!("{key}@{country}"));
        let keys = of_country.into_iter().chain([key]);
        let account = self.account(Role::VatPayable);
        let mut changed = keys.filter_map(|key| Some((self.vat.get(&key)?, key)));
        changed.next().map_or(account.clone(), |(change, key)| sub_account(&account, change, &key))
    }

    /// The revenue account of what is sold: by its charge, else its plan, else the buyer's country.
    pub fn revenue_account(&self, sold: &Sold<'_>) -> Account {
        let account = self.account(Role::Revenue);
        let by_sku = self.revenue_by_sku.get(sold.sku).map(|change| (change, sold.sku));
        let by_plan = || sold.plan.and_then(|plan| Some((self.revenue_by_plan.get(plan)?, plan)));
        let found = by_sku.or_else(by_plan).or_else(|| self.by_country(sold));
        found.map_or(account.clone(), |(change, qualifier)| sub_account(&account, change, qualifier))
    }

    fn by_country<'a>(&'a self, sold: &Sold<'a>) -> Option<(&'a AccountChange, &'a str)> {
        let country = sold.country?;
        if let Some(change) = self.revenue_by_country.get(country) {
            return Some((change, country));
        }
        let part = if tax::is_in_union(country) { "EU" } else { "world" };
        let change = self.revenue_by_country.get(part).filter(|_| sold.home != Some(country))?;
        Some((change, part))
    }

    /// Where money is that came this way and has not been paid out.
    pub fn clearing_account(&self, through: &str) -> Account {
        let account = self.account(Role::Clearing);
        let change = self.clearing_by_gateway.get(through);
        change.map_or(account.clone(), |change| sub_account(&account, change, through))
    }

    /// What is changed beside the roles: the name of the list, the role that it refines, and its accounts.
    fn lists(&self) -> [(&'static str, Role, &BTreeMap<String, AccountChange>); 5] {
        [
            ("vat", Role::VatPayable, &self.vat),
            ("revenue_by_sku", Role::Revenue, &self.revenue_by_sku),
            ("revenue_by_plan", Role::Revenue, &self.revenue_by_plan),
            ("revenue_by_country", Role::Revenue, &self.revenue_by_country),
            ("clearing_by_gateway", Role::Clearing, &self.clearing_by_gateway),
        ]
    }

    /// Every account that postings of this chart may carry, also those that business units map to, by code.
    /// Where two share a code, the role that comes first names it.
    pub fn accounts<'a>(
        &self,
        units: impl IntoIterator<Item = &'a BusinessUnit>,
    ) -> BTreeMap<String, Account> {
        let mut accounts = BTreeMap::new();
        let mut add = |account: Account| {
            accounts.entry(account.code.clone()).or_insert(account);
        };
        Role::ALL.into_iter().for_each(|role| add(self.account(role)));
        for (_, role, changes) in self.lists() {
            let base = self.account(role);
            changes.iter().for_each(|(key, change)| add(sub_account(&base, change, key)));
        }
        for unit in units {
            for (from, to) in &unit.accounts {
                let Some(base) = accounts.get(from).cloned() else { continue };
                let change = AccountChange { code: to.clone(), name: None };
                let mapped = sub_account(&base, &change, &unit.fullname);
                accounts.entry(mapped.code.clone()).or_insert(mapped);
            }
        }
        accounts
    }

    /// What is wrong with the chart, as (pointer below the chart, message); empty if nothing is. Codes are 1 to 20
    /// letters, digits, `.`, `-` or `_`, and one code has one type.
    pub fn faults(&self) -> Vec<(String, String)> {
        let mut faults = Vec::new();
        let mut types: BTreeMap<String, (Role, AccountType)> = BTreeMap::new();
        for role in Role::ALL {
            let account = self.account(role);
            let pointer = || format!("/{}", role_name(role));
            faults.extend(code_fault(&account.code).map(|text| (pointer(), text)));
            let (first, kind) = *types.entry(account.code.clone()).or_insert((role, account.kind));
            if kind != account.kind {
                let text =
                    format!("account `{}` is already {}, of another type", account.code, role_name(first));
                faults.push((pointer(), text));
            }
        }
        for (list, role, changes) in self.lists() {
            for (key, change) in changes {
                let pointer = || format!("/{list}/{}", key.replace('~', "~0").replace('/', "~1"));
                faults.extend(code_fault(&change.code).map(|text| (pointer(), text)));
                let other = types.get(&change.code).filter(|(_, kind)| *kind != role.default_account().kind);
                if let Some((other, _)) = other {
                    let text = format!(
                        "account `{}` is already {}, of another type",
                        change.code,
                        role_name(*other)
                    );
                    faults.push((pointer(), text));
                }
                if list == "vat" && !is_vat_key(key) {
                    let text = format!("`{key}` is not a category and rate such as S25, AE0 or S19@DE");
                    faults.push((pointer(), text));
                }
                if list == "revenue_by_country"
                    && !(["EU", "world"].contains(&key.as_str()) || is_country(key))
                {
                    faults.push((pointer(), format!("`{key}` is not a country code, EU or world")));
                }
            }
        }
        faults
    }
}

/// Key of a VAT group in [`Chart::vat`]: `S25`, `S12.5`, `AE0`.
pub fn vat_key(category: TaxCategory, rate_pct: Decimal) -> String {
    format!("{}{}", category.code(), rate_pct.normalize())
}

fn is_country(text: &str) -> bool {
    country::is_country(text) && text.bytes().all(|letter| letter.is_ascii_uppercase())
}

fn is_vat_key(key: &str) -> bool {
    let (key, country) = key.split_once('@').map_or((key, None), |(key, country)| (key, Some(country)));
    if country.is_some_and(|country| !is_country(country)) {
        return false;
    }
    let digits = key.find(|c: char| c.is_ascii_digit()).unwrap_or(key.len());
    let (category, rate) = key.split_at(digits);
    let category = TaxCategory::parse(category).filter(|c| c.code() == category);
    let rate = crate::decimal::parse(rate, crate::decimal::RATE);
    matches!((category, rate), (Some(category), Ok(rate)) if vat_key(category, rate) == key)
}

fn sub_account(base: &Account, change: &AccountChange, qualifier: &str) -> Account {
    if change.code == base.code {
        return base.clone();
    }
    Account {
        code: change.code.clone(),
        name: change.name.clone().unwrap_or_else(|| format!("{}, {qualifier}", base.name)),
        kind: base.kind,
        path: format!("{}:{}", base.path, change.code),
    }
}

/// What is wrong with the code of an account, of the tenant or of a business unit.
pub fn code_fault(code: &str) -> Option<String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let fine = !code.is_empty() && code.len() <= ACCOUNT_CODE_MAX && code.chars().all(allowed);
    (!fine).then(|| {
        format!("account code `{code}` is not 1 to {ACCOUNT_CODE_MAX} letters, digits, `.`, `-` or `_`")
    })
}

fn role_name(role: Role) -> &'static str {
    match role {
        Role::Receivable => "receivable",
        Role::Clearing => "clearing",
        Role::Refunds => "refunds",
        Role::DeferredRevenue => "deferred_revenue",
        Role::VatPayable => "vat_payable",
        Role::Revenue => "revenue",
        Role::PaymentFees => "payment_fees",
        Role::BadDebt => "bad_debt",
        Role::Rounding => "rounding",
        Role::Opening => "opening",
    }
}

impl<'de> Deserialize<'de> for AccountChange {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Code(String),
            Full { code: String, name: Option<String> },
        }
        let form = Form::deserialize(deserializer)
            .map_err(|_| D::Error::custom("an account is \"code\" or {\"code\": …, \"name\": …}"))?;
        Ok(match form {
            Form::Code(code) => Self { code, name: None },
            Form::Full { code, name } => Self { code, name },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(json: &str) -> Chart {
        serde_json::from_str(json).unwrap()
    }

    fn sold<'a>(sku: &'a str, plan: Option<&'a str>, country: Option<&'a str>) -> Sold<'a> {
        Sold { sku, plan, country, home: Some("DK") }
    }

    #[test]
    fn revenue_goes_by_charge_then_plan_then_country_and_money_by_its_way() {
        let chart = chart(
            r#"{"revenue_by_sku": {"API": "4010"}, "revenue_by_plan": {"PRO": "4020"},
                "revenue_by_country": {"SE": "4030", "EU": "4040", "world": "4050"},
                "clearing_by_gateway": {"stripe": {"code": "1901", "name": "Stripe"}, "manual": "1950"},
                "vat": {"S19@DE": "2619"}}"#,
        );
        assert_eq!(chart.faults(), []);
        let table = [
            ("API", Some("PRO"), Some("SE"), "4010"),
            ("BASE", Some("PRO"), Some("SE"), "4020"),
            ("BASE", Some("LITE"), Some("SE"), "4030"),
            ("BASE", None, Some("DE"), "4040"),
            ("BASE", None, Some("US"), "4050"),
            ("BASE", None, Some("DK"), "4000"),
            ("BASE", None, None, "4000"),
        ];
        for (sku, plan, country, code) in table {
            assert_eq!(chart.revenue_account(&sold(sku, plan, country)).code, code, "{plan:?} {country:?}");
        }
        assert_eq!(chart.clearing_account("stripe").name, "Stripe");
        assert_eq!(chart.clearing_account("sandbox").code, "1900");
        let vat = |country| chart.vat_account(TaxCategory::S, Decimal::from(19), country).code;
        assert_eq!((vat(Some("DE")).as_str(), vat(Some("AT")).as_str()), ("2619", "2610"));
        assert_eq!(chart.accounts([]).len(), Role::ALL.len() + 8);
    }

    #[test]
    fn the_default_chart_is_sound_and_every_code_is_its_own() {
        let chart = Chart::default();
        assert_eq!(chart.faults(), []);
        assert_eq!(chart.accounts([]).len(), Role::ALL.len());
        assert_eq!(chart.vat_account(TaxCategory::S, Decimal::from(25), None).code, "2610");
    }

    #[test]
    fn a_tenant_changes_codes_names_and_single_rates() {
        let chart = chart(
            r#"{"defer": true, "receivable": {"code": "5600", "name": "Debitorer"}, "vat": {"S12.5": "2612"},
                "revenue_by_sku": {"PRO-API": {"code": "4010", "name": "API"}}}"#,
        );
        assert!(chart.defer);
        assert_eq!(chart.account(Role::Receivable).name, "Debitorer");
        assert_eq!(
            chart.vat_account(TaxCategory::S, Decimal::new(1250, 2), None).path,
            "liabilities:vat:2612"
        );
        assert_eq!(chart.vat_account(TaxCategory::S, Decimal::from(25), None).code, "2610");
        assert_eq!(chart.revenue_account(&sold("PRO-API", None, None)).name, "API");
        let again: Chart = serde_json::from_str(&serde_json::to_string(&chart).unwrap()).unwrap();
        assert_eq!(again, chart);
    }

    #[test]
    fn what_a_chart_must_not_say_is_named() {
        assert!(serde_json::from_str::<Chart>(r#"{"recievable": "5600"}"#).is_err());
        assert!(serde_json::from_str::<Chart>(r#"{"receivable": 5600}"#).is_err());
        let table = [
            (r#"{"receivable": ""}"#, "/receivable"),
            (r#"{"revenue": "a b"}"#, "/revenue"),
            (r#"{"revenue": "1100"}"#, "/revenue"),
            (r#"{"vat": {"25": "2611"}}"#, "/vat/25"),
            (r#"{"vat": {"S25.0": "2611"}}"#, "/vat/S25.0"),
            (r#"{"vat": {"S25@dk": "2611"}}"#, "/vat/S25@dk"),
            (r#"{"revenue_by_country": {"Sweden": "4030"}}"#, "/revenue_by_country/Sweden"),
            (r#"{"clearing_by_gateway": {"stripe": "2610"}}"#, "/clearing_by_gateway/stripe"),
            (r#"{"revenue_by_sku": {"A/B": "1100"}}"#, "/revenue_by_sku/A~1B"),
        ];
        for (json, pointer) in table {
            let faults = chart(json).faults();
            assert_eq!(faults.iter().map(|f| f.0.as_str()).collect::<Vec<_>>(), [pointer], "{json}");
        }
    }
}
