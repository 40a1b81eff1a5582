"""Scenarios for `tallybook simulate`, each with the documents that the rules give under `expect`:

    python3 scenarios.py FIRST COUNT

prints COUNT of them, one JSON object per line. The same number makes the same scenario. Of ten that follow each other
four are plain (a plan of any kind, its usage and its discounts), four are stories of acts (`stories.py`), two are about
credit notes and payments (`money.py`)."""

import json
import random
import sys
from datetime import date, timedelta
from fractions import Fraction as F

from catalogue import decimal, discount_of, recurring_charge, usage_charge
from engine import play
from money import money
from rules import DECIMALS, plus_months, text
from stories import story

DAY = timedelta(1)

def plain(number):
    """A plan of any kind for one or two subscriptions, with usage, late usage, changes, an end, discounts, VAT."""
    rng = random.Random(f"plain {number}")
    currency = rng.choice(["DKK", "DKK", "EUR", "JPY", "KWD"])
    start = date(2026, 1, rng.randrange(1, 32))
    runs = [date(2026, 4, rng.randrange(1, 31))] + [date(2026, 7, rng.randrange(1, 31))] * (rng.random() < 0.3)
    charges = [rng.choice([recurring_charge, usage_charge])(rng, n, currency) for n in range(rng.randrange(1, 5))]
    for charge in charges:
        charge["taxable"] = rng.random() < 0.85
    made = book(rng, currency, start, charges)
    first = made["subscriptions"][0]
    begins = start + timedelta(first["trialdays"])
    acts = changes(rng, charges, begins, runs[0])
    if rng.random() < 0.3 and begins < runs[0] - DAY:
        end = min(begins + timedelta(rng.randrange(1, 80)), runs[0] - DAY)
        known = min(end, max(begins, end - timedelta(rng.randrange(0, 5))))
        acts = [(day, act) for day, act in acts if day < end]
        acts.append((known, {"do": "cancel", "option": "on_date", "date": end.isoformat(),
                             "refund": rng.choice(["none", "prorated"])}))
    acts = [(day, {"subscription": "SUB-1", **act}) for day, act in acts]
    for _ in range(rng.choice([0, 0, 3, 9])):  # runs between change nothing (T6)
        acts.append((start + timedelta(rng.randrange((runs[0] - start).days)), {"run": {}}))
    acts.sort(key=lambda act: (act[0], "run" in act[1]))
    events = [batch(rng, made, charges, start, runs[-1], n) for n in range(len(runs))]
    steps = [("2026-01-01", {"ingest": events[0]})] + [(day.isoformat(), act) for day, act in acts]
    steps.append((runs[0].isoformat(), {"run": {}}))
    if len(runs) > 1:
        steps += [((runs[0] + timedelta(1)).isoformat(), {"ingest": events[1]}), (runs[1].isoformat(), {"run": {}})]
    timeline = [{"on": on, **step} for on, step in steps if step.get("ingest") != []]
    return {"name": f"plain {number}", "book": made, "timeline": timeline}


def changes(rng, charges, begins, until):
    """Changes of quantity before a day."""
    acts = []
    for charge in charges:
        if charge["chargetype"] == "recurring" and charge["pricingmodel"] == "per_unit":
            for offset in sorted(rng.sample(range(1, 90), rng.randrange(0, 3))):
                amount = rng.choice(["1", "2", "4", "4.75", "8"])
                acts.append((begins + timedelta(offset), {"do": "setamount", "charge": charge["sku"], "amount": amount}))
    return [(day, act) for day, act in acts if day < until]


def book(rng, currency, start, charges):
    address = {"country": "DK", "addressline1": "Havnegade 1", "postalcode": "1058", "city": "København"}
    buyer = {"accountnumber": "CU-1", "fullname": "Buyer", "currencycode": currency, "autobill": True, **address,
             "collectivebilling": rng.random() < 0.5}
    first = {"subscriptionnumber": "SUB-1", "customer": "CU-1", "productplan": "P", "startdate": start.isoformat(),
             "status": "active", "autorenew": True, "trialdays": rng.choice([0, 0, 0, 7, 30])}
    made = {"tenant": {"fullname": "Seller", "companyvat": "DK12345678", "currencycode": currency, "paymentterm": 14,
                       "timezone": "Europe/Copenhagen", **address},
            "taxrules": tax_rules(rng),
            "productplans": [{"sku": "P", "fullname": "P", "currencycode": currency,
                              "changehandle": rng.choice([0, 1, 1, 2]), "taxinclusive": rng.random() < 0.25,
                              "charges": charges}],
            "customers": [buyer], "subscriptions": [first]}
    if rng.random() < 0.35:  # a second subscription to the same plan, of the payer or of a child
        child = rng.random() < 0.4
        if child:
            made["customers"].append({"accountnumber": "CU-2", "fullname": "Child", "currencycode": currency,
                                      "country": "DK", "parent": "CU-1", "billtoparent": True})
        made["subscriptions"].append({"subscriptionnumber": "SUB-2", "customer": "CU-2" if child else "CU-1",
                                      "productplan": "P", "status": "active", "autorenew": True,
                                      "startdate": date(2026, 1, rng.randrange(1, 32)).isoformat()})
    elif rng.random() < 0.1:
        made["tenant"]["minimuminvoice"] = decimal(rng, 4, min(2, DECIMALS[currency]))
    entry = discount_of(rng, currency)
    if entry:
        made["discounts"] = [{**entry, "codes": [{"codeprefix": "D", "code": "1", "redemption": 0}]}]
        rng.choice([buyer, first])["discount"] = {"code": "D-1", "from": start.isoformat()}
    return made


def tax_rules(rng):
    rule = {"fullname": "old", "country": "DK", "state": "*", "ruletype": "*", "priority": 10,
            "taxpct": rng.choice(["25", "19", "8.1"]), "category": "S", "validfrom": "1992-01-01"}
    if rng.random() < 0.6:
        return [rule]
    day = date(2026, rng.choice([2, 3]), rng.randrange(1, 28)).isoformat()
    return [{**rule, "validto": day}, {**rule, "fullname": "new", "taxpct": rng.choice(["21", "7.7"]), "validfrom": day}]


def batch(rng, made, charges, start, until, n):
    """Usage of the whole time, as it comes in before run n."""
    events = []
    for number in [s["subscriptionnumber"] for s in made["subscriptions"]]:
        for charge in [c for c in charges if c["chargetype"] == "usage"]:
            for i in range(rng.choice([0, 1, 5, 30])):
                day = start + timedelta(rng.randrange(0, (until - start).days))
                q = F(decimal(rng, rng.randrange(1, 5), rng.choice([0, 1, 3]))) * (-1 if rng.random() < 0.08 else 1)
                if charge["pricingmodel"] in ("percentage", "graduated_percentage"):
                    q = abs(q)
                user = rng.choice(["a", "b", "c", ""])
                events.append({"id": f"{number}-{charge['sku']}-{i:02}-{n}", "subject": number, "meter": charge["meter"],
                               "quantity": text(q), "time": f"{day}T{rng.choice([0, 1, 12, 23]):02}:30:00",
                               **({"properties": {"user": user}} if user else {})})
    return events


def scenario(n):
    block, place = divmod(n, 10)
    if place < 4:
        made = plain(4 * block + place)
    elif place < 8:
        made = story(4 * block + place - 4)
    else:
        made = money(2 * block + place - 8)
    return {**made, "name": f"{n}: {made['name']}"}


def pairs(told):
    """Two that tell one story with other runs."""
    stories = {t[0]["name"].split()[-1]: t for t in told if "story" in t[0]["name"]}
    return [(stories[n], stories[str(int(n) + 1)]) for n in stories if int(n) % 2 == 0 and str(int(n) + 1) in stories]


if __name__ == "__main__":
    for n in range(int(sys.argv[1]), int(sys.argv[1]) + int(sys.argv[2])):
        made = scenario(n)
        world, done = play(made)
        expect = {"steps": done, "documents": [i.told() for i in world.invoices]}
        print(json.dumps({**made, "expect": expect}, ensure_ascii=False))
