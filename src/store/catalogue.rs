//! The catalogue: everything of the book that is not per payer, one row per object, read whole.

use crate::bulk::{Bulk, Cell};
use crate::tx::{PerDriver, Tx, on};
use anyhow::{Context, bail};
use domain::book_file::{ObjectKind, rate_key, tax_rule_key};
use domain::catalogue::{Catalogue, Tenant};
use domain::ids::{DiscountId, PlanId};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::types::Json;
use std::collections::BTreeMap;

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

/// The tenant alone; none before it was loaded.
pub async fn tenant(tx: &mut Tx) -> anyhow::Result<Option<Tenant>> {
    let row: Option<(String, Json<Value>)> = on!(tx, c => sqlx::query_as(
        "select key, body from catalogue_part where kind = 'tenant'").fetch_optional(c).await?);
    row.map(|(key, Json(body))| read("tenant", &key, body)).transpose()
}

/// Raises every payer's revision at once: what was rated or drafted is made again.
pub(crate) async fn raise(tx: &mut Tx) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query("update catalogue_revision set revision = revision + 1").execute(c).await.map(drop))?;
    Ok(())
}

/// Writes the parts that are new or changed, each as its own row. Whose bills that moves is for the caller to say.
pub(crate) async fn save(
    tx: &mut Tx,
    catalogue: &Catalogue,
    changes: &[(ObjectKind, &str)],
) -> anyhow::Result<()> {
    let last: BTreeMap<String, i64> = positions(tx).await?;
    let next = |kind: &'static str| last.get(kind).map_or(0, |last| last + 1);
    let mut rows = Bulk::into("catalogue_part", &["kind", "key", "position", "body"])
        .on_conflict("on conflict (kind, key) do update set body = excluded.body");
    let mut added: BTreeMap<&str, i64> = BTreeMap::new();
    for (kind, key) in changes {
        let Some((kind, stored_key, body)) = part(catalogue, *kind, key)? else { continue };
        let position = added.entry(kind).or_insert_with(|| next(kind));
        rows.row([kind.into(), stored_key.into(), (*position).into(), body]);
        *position += 1;
    }
    rows.insert(tx).await.map(drop)
}

/// Takes a part away.
pub(crate) async fn remove(tx: &mut Tx, kind: ObjectKind, key: &str) -> anyhow::Result<()> {
    let Some((kind, key)) = row_of(kind, key) else { return Ok(()) };
    on!(tx, c => sqlx::query("delete from catalogue_part where kind = $1 and key = $2")
        .bind(kind)
        .bind(key)
        .execute(c)
        .await
        .map(drop))?;
    Ok(())
}

/// Rules and rates of earlier versions were named by their place in the list.
pub(crate) async fn name_anew(tx: &mut Tx, catalogue: &Catalogue) -> anyhow::Result<()> {
    on!(tx, c => sqlx::query("delete from catalogue_part where kind in ('tax_rule', 'rate')").execute(c).await.map(drop))?;
    let rules: Vec<String> = catalogue.tax_rules.iter().map(tax_rule_key).collect();
    let rates: Vec<String> = catalogue.rates.iter().map(rate_key).collect();
    let rules = rules.iter().map(|key| (ObjectKind::TaxRule, key.as_str()));
    let rates = rates.iter().map(|key| (ObjectKind::Rate, key.as_str()));
    let all: Vec<(ObjectKind, &str)> = rules.chain(rates).collect();
    save(tx, catalogue, &all).await
}

/// The last place of each kind.
async fn positions(tx: &mut Tx) -> anyhow::Result<BTreeMap<String, i64>> {
    let rows: Vec<(String, i64)> = on!(tx, c => sqlx::query_as(
        "select kind, max(position) from catalogue_part group by kind").fetch_all(c).await?);
    Ok(rows.into_iter().collect())
}

/// The name of a part's row.
fn row_of(kind: ObjectKind, key: &str) -> Option<(&'static str, String)> {
    Some(match kind {
        ObjectKind::Tenant => ("tenant", String::new()),
        ObjectKind::BusinessUnit => ("business_unit", key.to_owned()),
        ObjectKind::TaxRule => ("tax_rule", key.to_owned()),
        ObjectKind::Rate => ("rate", key.to_owned()),
        ObjectKind::Uom => ("uom", key.to_owned()),
        ObjectKind::ProductFamily => ("product_family", key.to_owned()),
        ObjectKind::ProductPlan => ("product_plan", PlanId::of(key).to_string()),
        ObjectKind::Discount => ("discount", DiscountId::of(key).to_string()),
        ObjectKind::DunningPolicy => ("dunning_policy", key.to_owned()),
        ObjectKind::Customer | ObjectKind::Subscription => return None,
    })
}

/// A part as its row; none if the catalogue does not have it.
fn part(
    catalogue: &Catalogue,
    kind: ObjectKind,
    key: &str,
) -> anyhow::Result<Option<(&'static str, String, Cell<'static>)>> {
    fn cell<T: serde::Serialize>(value: Option<&T>) -> anyhow::Result<Option<Cell<'static>>> {
        value.map(|value| Cell::json(value)).transpose()
    }
    let body = match kind {
        ObjectKind::Tenant => cell(Some(&catalogue.tenant))?,
        ObjectKind::BusinessUnit => cell(catalogue.business_units.get(key))?,
        ObjectKind::TaxRule => cell(catalogue.tax_rules.iter().find(|rule| tax_rule_key(rule) == key))?,
        ObjectKind::Rate => cell(catalogue.rates.iter().find(|rate| rate_key(rate) == key))?,
        ObjectKind::Uom => cell(catalogue.uoms.get(key))?,
        ObjectKind::ProductFamily => cell(catalogue.families.get(key))?,
        ObjectKind::ProductPlan => cell(catalogue.plans.get(&PlanId::of(key)))?,
        ObjectKind::Discount => cell(catalogue.discounts.get(&DiscountId::of(key)))?,
        ObjectKind::DunningPolicy => cell(catalogue.dunning_policies.get(key))?,
        ObjectKind::Customer | ObjectKind::Subscription => None,
    };
    Ok(row_of(kind, key).zip(body).map(|((kind, key), body)| (kind, key, body)))
}

#[derive(Default)]
struct Parts {
    business_units: BTreeMap<String, domain::catalogue::BusinessUnit>,
    tax_rules: Vec<domain::catalogue::TaxRule>,
    rates: Vec<domain::catalogue::Rate>,
    uoms: BTreeMap<String, domain::catalogue::Uom>,
    families: BTreeMap<String, domain::catalogue::ProductFamily>,
    plans: BTreeMap<PlanId, domain::catalogue::Plan>,
    discounts: BTreeMap<DiscountId, domain::catalogue::Discount>,
    dunning_policies: BTreeMap<String, domain::dunning::DunningPolicy>,
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
