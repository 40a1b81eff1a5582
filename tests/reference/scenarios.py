"""Scenarios for `tallybook simulate`, each with the invoices that the rules give under `expect`:

    python3 scenarios.py SEED COUNT

prints COUNT of them, one JSON object per line. The same number makes the same scenario."""

import json
import random
import sys
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction as F

from rules import (AtHour, DECIMALS, Life, fixed, major, minor, plus_months, recurring, settle_vat, shown, tax_of, usage)


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
                        "graduated_percentage"])
    how = rng.choice(["sum"] * 5 + ["count", "unique_count", "average", "lowest", "highest", "last", "range",
                                    "sum_average", "percentile"])
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
    else:
        rows = [{"price": decimal(rng, rng.randrange(1, 8), rng.choice([0, 2, 3, 5]))}]
    if model in ("per_unit", "tiered") and how in ("sum", "count") and rng.random() < 0.4:
        day = date(2026, rng.choice([2, 3]), rng.randrange(1, 28)).isoformat()
        later = [{**r, "price": decimal(rng, 5, 3), "validfrom": day} for r in rows]
        rows = rows + later
    charge["pricings"] = [{"currencycode": currency, **r} for r in rows]
    if rng.random() < 0.3 and model not in ("flat", "percentage", "graduated_percentage"):
        charge["includedamount"] = rng.choice(["1", "5", "12.5"])
    if rng.random() < 0.25:
        charge["maximumamount"] = decimal(rng, 5, min(2, DECIMALS[currency]))
    if rng.random() < 0.25:
        low = decimal(rng, 4, min(2, DECIMALS[currency]))
        if F(low) <= F(charge.get("maximumamount", low)):
            charge["minimumamount"] = low
    if rng.random() < 0.15 and model != "percentage" and not any("validfrom" in r for r in rows):
        charge["chargeatzero"] = True
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
    if charge["pricingmodel"] == "flat":
        charge["defaultamount"] = "1"
    rows = [{"currencycode": currency, "price": decimal(rng, rng.randrange(2, 7), rng.choice([0, 2, 3]))}]
    if rng.random() < 0.2:
        day = date(2026, rng.choice([2, 3]), rng.randrange(1, 28)).isoformat()
        rows.append({"currencycode": currency, "price": decimal(rng, 5, 2), "validfrom": day})
    charge["pricings"] = rows
    return charge


def discount_of(rng, currency, start):
    """(book entry, fraction by day, fixed amount)."""
    kind = rng.random()
    if kind < 0.45:
        return None, lambda day: F(0), None
    if kind < 0.85:
        amount = rng.choice(["0.10", "0.125", "0.3333", "0.05", "1"])
        entry = {"refkey": "d", "fullname": "d", "type": "percentage", "amount": amount, "invoicetext": "less"}
        months = rng.choice([0, 1, 2])
        if months:
            entry |= {"expiryperiod": "months", "expiryperiodinterval": months}
            ends = plus_months(start, months)
            return entry, lambda day: F(amount) if start <= day < ends else F(0), None
        return entry, lambda day: F(amount) if start <= day else F(0), None
    amount = decimal(rng, 4, min(2, DECIMALS[currency]))
    entry = {"refkey": "d", "fullname": "d", "type": "fixed", "amount": amount, "currencycode": currency,
             "invoicetext": "less"}
    return entry, lambda day: F(0), F(amount)


def scenario(seed):
    rng = random.Random(seed)
    currency = rng.choice(["DKK", "DKK", "EUR", "JPY", "KWD"])
    start = date(2026, 1, rng.randrange(1, 32))
    runs = [date(2026, 4, rng.randrange(1, 31))]
    handle, inclusive = rng.choice([0, 1, 1, 2]), rng.random() < 0.25
    charges = [rng.choice([recurring_charge, usage_charge])(rng, n, currency) for n in range(rng.randrange(1, 5))]
    for charge in charges:
        charge["taxable"] = rng.random() < 0.85
    entry, fraction, fixed_amount = discount_of(rng, currency, start)
    if fixed_amount is not None and inclusive:
        entry, fixed_amount = None, None
    if fixed_amount is None and rng.random() < 0.3:
        runs.append(date(2026, 7, rng.randrange(1, 31)))
    until, life = runs[-1], Life(start)
    if len(runs) == 1 and handle != 2 and rng.random() < 0.3:
        end = date(2026, rng.choice([2, 3]), rng.randrange(1, 28))
        life = Life(start, end, max(start, end - timedelta(rng.randrange(0, 5))), rng.random() < 0.5)
    rules = [{"fullname": "old", "country": "DK", "state": "*", "ruletype": "*", "priority": 10,
              "taxpct": rng.choice(["25", "19", "8.1"]), "category": "S", "validfrom": "1992-01-01"}]
    if rng.random() < 0.4:
        day = date(2026, rng.choice([2, 3]), rng.randrange(1, 28)).isoformat()
        rules[0]["validto"] = day
        rules.append({**rules[0], "fullname": "new", "taxpct": rng.choice(["21", "7.7"]), "validfrom": day})
        del rules[1]["validto"]

    other = rng.random() < 0.35  # a second subscription to the same plan, of the payer or of a child
    child, collective = other and rng.random() < 0.4, rng.random() < 0.5
    on_customer = rng.random() < 0.5
    trial = rng.choice([0, 0, 0, 7, 30])
    life.start += timedelta(trial)
    if life.end <= life.start:
        life = Life(life.start)
    lives = {"SUB-1": life}
    if other:
        lives["SUB-2"] = Life(rng.choice([start, date(2026, 1, rng.randrange(1, 32))]))
    fractions = {"SUB-1": fraction, "SUB-2": fraction if on_customer and not child else lambda day: F(0)}

    acts, changes, events = [], {}, {}
    for charge in charges:
        sku = charge["sku"]
        if charge["chargetype"] == "recurring":
            may = charge["pricingmodel"] == "per_unit" and charge["billingperiodalignment"] != "period_end"
            days = sorted(rng.sample(range(1, 90), rng.randrange(0, 3))) if may else []
            steps = [(life.start + timedelta(d), F(rng.choice(["1", "2", "4", "4.75", "8"]))) for d in days]
            changes[sku] = [(d, q) for d, q in steps if d < min(life.end, runs[0])]
            acts += [(d, {"do": "setamount", "charge": sku, "amount": text(q)}) for d, q in changes[sku]]
        else:
            for number in lives:
                events[number, sku] = [usage_events(rng, charge, start, until) for _ in runs]
    if life.end < date.max:
        acts.append((life.known, {"do": "cancel", "option": "on_date", "date": life.end.isoformat(),
                                  "refund": "prorated" if life.refund else "none"}))
    acts = [(d, {"subscription": "SUB-1", **a}) for d, a in acts]
    for _ in range(rng.choice([0, 0, 3, 9])):  # runs between change nothing (T6)
        acts.append((start + timedelta(rng.randrange((runs[0] - start).days)), {"run": {}}))
    acts.sort(key=lambda act: (act[0], "run" in act[1]))
    timeline = []
    for n, as_of in enumerate(runs):
        batch = [{"id": f"{number}-{i}-{n}", "subject": number, "meter": c["meter"], "quantity": text(q),
                  "time": f"{at.key[0]}T{at.key[1]:02}:30:00", **({"properties": {"user": user}} if user else {})}
                 for number in lives for c in charges if (number, c["sku"]) in events
                 for at, i, q, user in events[number, c["sku"]][n]]
        if n == 0:
            if batch:
                timeline.append({"on": "2026-01-01", "ingest": batch})
            timeline += [{"on": d.isoformat(), **act} for d, act in acts]
        elif batch:
            timeline.append({"on": (runs[n - 1] + timedelta(1)).isoformat(), "ingest": batch})
        timeline.append({"on": as_of.isoformat(), "run": {}})

    days = {}
    for number, own in lives.items():
        for order, charge in enumerate(charges):
            if charge["chargetype"] == "recurring":
                steps = changes[charge["sku"]] if number == "SUB-1" else []
                made = recurring(charge, order, currency, own, until, fractions[number], steps, handle)
            else:
                batches = list(zip(runs, events[number, charge["sku"]]))
                made = usage(charge, order, currency, own, until, fractions[number], batches)
            for due, line in made:
                line.owner = number
                days.setdefault(due, {}).setdefault(None if collective else number, []).append(line)
    expect, documents = [], []
    for due in sorted(days):
        sheets = list(days[due].values())
        for lines in sheets:
            lines.sort(key=lambda l: (l.owner, l.order, l.first, l.kind))
        if fixed_amount is not None:
            as_numbered = lambda lines: (not any(l.arrears for l in lines), lines[0].owner)
            sheets.sort(key=as_numbered)
            reaches = lambda l: l.taxdate >= start and (l.owner == "SUB-1" or on_customer and not child)
            fixed([l for lines in sheets for l in lines if reaches(l)], currency, fixed_amount)
        for lines in sorted(sheets, key=lambda lines: lines[0].owner):
            settle_vat(lines, currency, inclusive, rules)
            documents.append(lines)
            expect.append(document(lines, currency))
    whole = all(sum(l.subtotal + l.vat for l in lines) > 0 for lines in documents)
    if whole and len(runs) == 1 and len(lives) == 1 and documents and rng.random() < 0.5:
        n = rng.randrange(len(documents))
        if all(l.subtotal > 0 for l in documents[n]):
            steps = credit(rng, documents[n], n + 1, currency, rules, expect)
            timeline += [{"on": until.isoformat(), **step} for step in steps]
    address = {"country": "DK", "addressline1": "Havnegade 1", "postalcode": "1058", "city": "København"}
    buyer = {"accountnumber": "CU-1", "fullname": "Buyer", "currencycode": currency, "autobill": True, **address,
             "collectivebilling": collective}
    first = {"subscriptionnumber": "SUB-1", "customer": "CU-1", "productplan": "P", "startdate": start.isoformat(),
             "status": "active", "autorenew": True, "trialdays": trial}
    book = {"tenant": {"fullname": "Seller", "companyvat": "DK12345678", "currencycode": currency, "paymentterm": 14,
                       "timezone": "Europe/Copenhagen", **address},
            "taxrules": rules,
            "productplans": [{"sku": "P", "fullname": "P", "currencycode": currency, "changehandle": handle,
                              "taxinclusive": inclusive, "charges": charges}],
            "customers": [buyer], "subscriptions": [first]}
    if child:
        book["customers"].append({"accountnumber": "CU-2", "fullname": "Child", "currencycode": currency,
                                  "country": "DK", "parent": "CU-1", "billtoparent": True})
    if other:
        book["subscriptions"].append({"subscriptionnumber": "SUB-2", "customer": "CU-2" if child else "CU-1",
                                      "productplan": "P", "startdate": lives["SUB-2"].start.isoformat(),
                                      "status": "active", "autorenew": True})
    if entry:
        book["discounts"] = [{**entry, "codes": [{"codeprefix": "D", "code": "1", "redemption": 0}]}]
        owner = buyer if on_customer else first
        owner["discount"] = {"code": "D-1", "from": start.isoformat()}
    return {"name": f"seed {seed}", "book": book, "timeline": timeline, "expect": expect}


def usage_events(rng, charge, start, until):
    mine = []
    for n in range(rng.choice([0, 1, 5, 30])):
        at = AtHour(start + timedelta(rng.randrange(0, (until - start).days)), rng.choice([0, 1, 12, 23]))
        q = F(decimal(rng, rng.randrange(1, 5), rng.choice([0, 1, 3]))) * (-1 if rng.random() < 0.08 else 1)
        if charge["pricingmodel"] in ("percentage", "graduated_percentage"):
            q = abs(q)
        mine.append((at, f"{charge['sku']}-{n:02}", q, rng.choice(["a", "b", "c", ""])))
    return mine


def document(lines, currency):
    told = lambda l: [l.charge["sku"], l.first.isoformat(), (l.end - timedelta(1)).isoformat(),
                      shown(l.subtotal, currency), shown(l.vat, currency)]
    return {"Total": shown(sum(l.subtotal for l in lines), currency),
            "TotalVat": shown(sum(l.vat for l in lines), currency), "lines": [told(l) for l in lines]}


def credit(rng, lines, place, currency, rules, expect):
    """Credit notes by line, then one of all that is left: together they reach the invoice exactly (M3, I7)."""
    left = [l.subtotal for l in lines]
    groups = {}
    for n, line in enumerate(lines):
        groups.setdefault(tax_of(line.charge, line.taxdate, rules), []).append(n)
    vat_left = {g: sum(lines[n].vat for n in members) for g, members in groups.items()}
    for last in [False] * rng.randrange(0, 4) + [True]:
        taken = [0] * len(lines)
        for n in range(len(lines)):
            taken[n] = left[n] if last else rng.choice([0, left[n], rng.randrange(0, left[n] + 1)])
        if not any(taken):
            continue
        vat = 0
        for g, members in groups.items():
            net = sum(taken[n] for n in members)
            left_net = sum(left[n] for n in members)
            own = min(vat_left[g], minor(major(net, currency) * g[1] / 100, currency))
            own = vat_left[g] if net == left_net else own
            vat_left[g] -= own
            vat += own
        left = [a - b for a, b in zip(left, taken)]
        step = {"invoice": place, "do": "credit"}
        if not last:
            step["lines"] = [{"line": n + 1, "amount": shown(t, currency)} for n, t in enumerate(taken) if t]
        expect.append({"Total": shown(-sum(taken), currency), "TotalVat": shown(-vat, currency),
                       "lines": [shown(-t, currency) for t in taken if t]})
        yield step


def text(q):
    return format((Decimal(q.numerator) / Decimal(q.denominator)).normalize(), "f")


if __name__ == "__main__":
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    for n in range(seed, seed + count):
        print(json.dumps(scenario(n), ensure_ascii=False))
