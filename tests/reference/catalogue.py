"""Charges, prices and discounts of the scenarios, made up at random."""

from datetime import date
from fractions import Fraction as F

from rules import DECIMALS


def decimal(rng, digits, scale):
    text = str(rng.randrange(1, 10 ** digits)).rjust(scale + 1, "0")
    return text[:-scale] + "." + text[-scale:] if scale else text


def tiers(rng, model):
    rows, bound = [], F(0)
    for _ in range(rng.randrange(0, 4)):
        bound += F(rng.choice([1, 5, 10, 100, F(1, 2), F(33, 10)]))
        rows.append({"tierto": str(float(bound)) if bound.denominator > 1 else str(bound)})
    rows.append({})
    for segment, row in enumerate(rows, 1):
        row["segment"] = segment
        if model == "graduated_percentage":
            row["percentage"] = decimal(rng, 3, 2)
            continue
        row["price"] = decimal(rng, rng.randrange(1, 7), rng.choice([0, 2, 4]))
        if model in ("tiered", "volume") and rng.random() < 0.4:
            row["flatprice"] = decimal(rng, 4, 2)
    return rows


def usage_charge(rng, n, currency):
    model = rng.choice(["flat", "per_unit", "tiered", "tiered", "volume", "package", "stairstep", "percentage",
                        "graduated_percentage", "dynamic"])
    how = rng.choice(["sum"] * 5 + ["count", "unique_count", "average", "lowest", "highest", "last", "range",
                                    "sum_average", "percentile", "weighted_sum", "weighted_sum"])
    if model == "dynamic":
        how = "sum"
    charge = {"sku": f"U{n}", "fullname": f"U{n}", "chargetype": "usage", "meter": f"m{n}", "pricingmodel": model,
              "usagedatacalculationtype": how, "billingperiod": "monthly",
              "billingperiodinterval": rng.choice([1, 1, 1, 2]), "billingperiodalignment": "period_end"}
    if how == "sum_average":
        charge["sumaveragefactor"] = rng.choice(["3", "7", "24"])
    if how == "percentile":
        charge["percentile"] = rng.choice(["50", "95", "99.9"])
    if how == "unique_count":
        charge["uniqueproperty"] = "user"
    if model == "package":
        charge["packagesize"] = rng.choice(["1", "3", "10", "0.7"])
    if model in ("tiered", "volume", "stairstep", "graduated_percentage"):
        rows = tiers(rng, model)
    elif model == "percentage":
        rows = [{"percentage": decimal(rng, 3, 2)}]
        if rng.random() < 0.5:
            rows[0]["fixedfee"] = decimal(rng, 2, 2)
    elif model == "dynamic":
        rows = [{"multiplier": rng.choice(["1", "1.33333", "0.5"])}]
    else:
        rows = [{"price": decimal(rng, rng.randrange(1, 8), rng.choice([0, 2, 3, 5]))}]
    if model in ("per_unit", "tiered") and how in ("sum", "count") and rng.random() < 0.4:
        day = date(2026, rng.choice([2, 3]), rng.randrange(1, 28)).isoformat()
        later = [{**r, "price": decimal(rng, 5, 3), "validfrom": day} for r in rows]
        rows = rows + later
    charge["pricings"] = [{"currencycode": currency, **r} for r in rows]
    if rng.random() < 0.3 and model not in ("flat", "percentage", "graduated_percentage", "dynamic"):
        charge["includedamount"] = rng.choice(["1", "5", "12.5"])
    if rng.random() < 0.25:
        charge["maximumamount"] = decimal(rng, 5, min(2, DECIMALS[currency]))
    if rng.random() < 0.25:
        low = decimal(rng, 4, min(2, DECIMALS[currency]))
        if F(low) <= F(charge.get("maximumamount", low)):
            charge["minimumamount"] = low
    if rng.random() < 0.15 and model != "dynamic" and not any("validfrom" in r for r in rows):
        charge["chargeatzero"] = True
    if rng.random() < 0.2:
        charge["groupby"] = "user"
    return charge


def recurring_charge(rng, n, currency):
    unit = rng.choice(["monthly"] * 4 + ["weekly", "daily", "quarterly", "annually", "day_of_month", "day_of_month",
                                         "last_day_of_month"])
    charge = {"sku": f"R{n}", "fullname": f"R{n}", "chargetype": "recurring",
              "pricingmodel": rng.choice(["flat", "per_unit", "per_unit"]), "billingperiod": unit,
              "billingperiodinterval": rng.choice([1, 1, 2, 3]) if unit != "daily" else rng.choice([10, 30]),
              "billingperiodalignment": rng.choice(["subscription_start", "subscription_start", "period_end"]),
              "defaultamount": rng.choice(["1", "2", "3", "2.5", "0.125"])}
    if unit == "day_of_month":
        charge["billingday"] = rng.randrange(1, 29)
    if unit in ("quarterly", "annually") and rng.random() < 0.5:
        said = rng.choice([("billingday",), ("billingmonth",), ("billingday", "billingmonth")])
        charge |= {name: rng.randrange(1, 32 if name == "billingday" else 13) for name in said}
    if charge["pricingmodel"] == "flat":
        charge["defaultamount"] = "1"
    rows = [{"currencycode": currency, "price": decimal(rng, rng.randrange(2, 7), rng.choice([0, 2, 3]))}]
    if rng.random() < 0.2:
        day = date(2026, rng.choice([2, 3]), rng.randrange(1, 28)).isoformat()
        rows.append({"currencycode": currency, "price": decimal(rng, 5, 2), "validfrom": day})
    charge["pricings"] = rows
    return charge


def discount_of(rng, currency):
    """An entry of the book, or none."""
    kind = rng.random()
    if kind < 0.45:
        return None
    if kind < 0.85:
        amount = rng.choice(["0.10", "0.125", "0.3333", "0.05", "1"])
        entry = {"refkey": "d", "fullname": "d", "type": "percentage", "amount": amount, "invoicetext": "less"}
        months = rng.choice([0, 1, 2])
        if months:
            entry |= {"expiryperiod": "months", "expiryperiodinterval": months}
        return entry
    amount = decimal(rng, 4, min(2, DECIMALS[currency]))
    entry = {"refkey": "d", "fullname": "d", "type": "fixed", "amount": amount, "currencycode": currency,
             "invoicetext": "less"}
    return entry
