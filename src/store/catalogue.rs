//! The catalogue: everything of the book that is not per payer, one row per object, read and written whole.

use crate::bulk::{Bulk, Cell};
use crate::tx::{PerDriver, Tx, on};
use anyhow::{Context, bail};
use domain::catalogue::Catalogue;
use domain::ids::{DiscountId, PlanId};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::types::Json;

/// Nobody can change the catalogue until the transaction ends; others may read and keep it too.
pub(crate) async fn keep(tx: &mut Tx) -> anyhow::Result<()> {
    const SQL: PerDriver = PerDriver {
        sqlite: "select revision from catalogue_revision",
        postgres: "select revision from catalogue_revision for share",
    };
    let sql = tx.pick(&SQL);
    let _: i64 = on!(tx, c => sqlx::query_scalar(sql).fetch_one(c).await?);
    Ok(())
}

/// Nobody else can change or keep the catalogue until the transaction ends: every act on the book waits.
pub(crate) async fn lock(tx: &mut Tx) -> anyhow::Result<()> {
    const SQL: PerDriver = PerDriver {
        sqlite: "select revision from catalogue_revision",
        postgres: "select revision from catalogue_revision for update",
    };
    let sql = tx.pick(&SQL);
    let _: i64 = on!(tx, c => sqlx::query_scalar(sql).fetch_one(c).await?);
    Ok(())
}

/// Nobody else can apply codes of this discount until the transaction ends: how often each was applied stays true.
pub async fn lock_discount(tx: &mut Tx, discount: DiscountId) -> anyhow::Result<()> {
    const SQL: PerDriver = PerDriver {
        sqlite: "select position from catalogue_part where kind = 'discount' and key = $1",
        postgres: "select position from catalogue_part where kind = 'discount' and key = $1 for update",
    };
    let sql = tx.pick(&SQL);
    let _: Option<i64> =
        on!(tx, c => sqlx::query_scalar(sql).bind(discount.to_string()).fetch_optional(c).await?);
    Ok(())
}

/// The catalogue; none before a tenant was loaded.
pub async fn load(tx: &mut Tx) -> anyhow::Result<Option<Catalogue>> {
    let rows: Vec<(String, String, Json<Value>)> = on!(tx, c => sqlx::query_as(
        "select kind, key, body from catalogue_part order by kind, position, key").fetch_all(c).await?);
    let mut tenant = None;
    let mut parts = Parts::default();
    for (kind, key, Json(body)) in rows {
        if kind == "tenant" {
            tenant = Some(read(&kind, &key, body)?);
        } else {
            parts.add(&kind, &key, body)?;
        }
    }
    Ok(tenant.map(|tenant| Catalogue {
        tenant,
        business_units: parts.business_units,
        tax_rules: parts.tax_rules,
        rates: parts.rates,
        uoms: parts.uoms,
        families: parts.families,
        plans: parts.plans,
        discounts: parts.discounts,
        dunning_policies: parts.dunning_policies,
    }))
}

/// Raises every payer's revision at once: what was rated or drafted is made anew.
pub(crate) async fn raise(tx: &mut Tx) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query("update catalogue_revision set revision = revision + 1").execute(c).await.map(drop))?;
    Ok(())
}

/// Replaces the catalogue. Whose bills that moves is for the caller to say.
pub(crate) async fn save(tx: &mut Tx, catalogue: &Catalogue) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query("delete from catalogue_part").execute(c).await.map(drop))?;
    let mut rows = Bulk::into("catalogue_part", &["kind", "key", "position", "body"]);
    let mut add =
        |kind: &'static str, key: String, position: usize, body: Cell<'static>| -> anyhow::Result<()> {
            rows.row([kind.into(), key.into(), i64::try_from(position)?.into(), body]);
            Ok(())
        };
    add("tenant", String::new(), 0, Cell::json(&catalogue.tenant)?)?;
    for (n, (key, unit)) in catalogue.business_units.iter().enumerate() {
        add("business_unit", key.clone(), n, Cell::json(unit)?)?;
    }
    for (n, rule) in catalogue.tax_rules.iter().enumerate() {
        add("tax_rule", n.to_string(), n, Cell::json(rule)?)?;
    }
    for (n, rate) in catalogue.rates.iter().enumerate() {
        add("rate", n.to_string(), n, Cell::json(rate)?)?;
    }
    for (n, (key, uom)) in catalogue.uoms.iter().enumerate() {
        add("uom", key.clone(), n, Cell::json(uom)?)?;
    }
    for (n, (key, family)) in catalogue.families.iter().enumerate() {
        add("product_family", key.clone(), n, Cell::json(family)?)?;
    }
    for (n, (id, plan)) in catalogue.plans.iter().enumerate() {
        add("product_plan", id.to_string(), n, Cell::json(plan)?)?;
    }
    for (n, (id, discount)) in catalogue.discounts.iter().enumerate() {
        add("discount", id.to_string(), n, Cell::json(discount)?)?;
    }
    for (n, (key, policy)) in catalogue.dunning_policies.iter().enumerate() {
        add("dunning_policy", key.clone(), n, Cell::json(policy)?)?;
    }
    rows.insert(tx).await.map(drop)
}

#[derive(Default)]
struct Parts {
    business_units: std::collections::BTreeMap<String, domain::catalogue::BusinessUnit>,
    tax_rules: Vec<domain::catalogue::TaxRule>,
    rates: Vec<domain::catalogue::Rate>,
    uoms: std::collections::BTreeMap<String, domain::catalogue::Uom>,
    families: std::collections::BTreeMap<String, domain::catalogue::ProductFamily>,
    plans: std::collections::BTreeMap<PlanId, domain::catalogue::Plan>,
    discounts: std::collections::BTreeMap<DiscountId, domain::catalogue::Discount>,
    dunning_policies: std::collections::BTreeMap<String, domain::dunning::DunningPolicy>,
}

impl Parts {
    fn add(&mut self, kind: &str, key: &str, body: Value) -> anyhow::Result<()> {
        match kind {
            "business_unit" => drop(self.business_units.insert(key.to_owned(), read(kind, key, body)?)),
            "tax_rule" => self.tax_rules.push(read(kind, key, body)?),
            "rate" => self.rates.push(read(kind, key, body)?),
            "uom" => drop(self.uoms.insert(key.to_owned(), read(kind, key, body)?)),
            "product_family" => drop(self.families.insert(key.to_owned(), read(kind, key, body)?)),
            "product_plan" => drop(self.plans.insert(PlanId(key.parse()?), read(kind, key, body)?)),
            "discount" => drop(self.discounts.insert(DiscountId(key.parse()?), read(kind, key, body)?)),
            "dunning_policy" => drop(self.dunning_policies.insert(key.to_owned(), read(kind, key, body)?)),
            other => bail!("catalogue_part.kind holds `{other}`"),
        }
        Ok(())
    }
}

fn read<T: DeserializeOwned>(kind: &str, key: &str, body: Value) -> anyhow::Result<T> {
    serde_json::from_value(body).with_context(|| format!("reading {kind} `{key}` of the catalogue"))
}
