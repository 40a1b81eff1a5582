"""Credit notes by hand between acts, refunds, late usage and corrections, payments."""

import random
from datetime import timedelta

from engine import World
from rules import day_of, shown
from service import NEVER
from stories import LAST, Teller, agree, book, usage


class Desk:
    """Plays while it writes, so that it knows what there is to be credited."""

    def __init__(self, rng, made):
        self.rng, self.world, self.timeline = rng, World(made), []

    def do(self, day, step):
        step = {"on": day.isoformat(), **step}
        self.world.step(step)
        self.timeline.append(step)

    def credit(self, day):
        """A credit note on an invoice that has lines above zero only; now and then more than is left."""
        rng = self.rng
        places = [n for n, i in enumerate(self.world.invoices) if not i.hand and all(l.own > 0 for l in i.lines)]
        if not places:
            return
        place = rng.choice(places)
        invoice = self.world.invoices[place]
        step = {"invoice": place + 1, "do": "credit"}
        if rng.random() < 0.6:
            chosen = []
            for n, line in enumerate(invoice.lines, 1):
                left = line.own - line.credited
                if rng.random() < 0.6 and left > 0:
                    amount = shown(left + 1 if rng.random() < 0.1 else rng.randrange(1, left + 1), invoice.currency)
                    chosen.append({"line": n} if rng.random() < 0.3 or invoice.inclusive else {"line": n, "amount": amount})
            if not chosen:
                return
            step["lines"] = chosen
        self.do(day, step)


    def pay(self, day):
        """Money that comes by itself, a refund, an attempt by hand, a write-off."""
        rng, documents = self.rng, self.world.invoices
        if not documents:
            return
        place = rng.randrange(len(documents)) + 1
        document = documents[place - 1]
        if document.open < 0:
            self.do(day, {"invoice": place, "do": "refund"})
            return
        verb = rng.choice(["markpaid"] * 6 + ["recharge", "refund", "writeoff"])
        step = {"invoice": place, "do": verb}
        if verb == "markpaid" and rng.random() < 0.6:
            step["amount"] = shown(rng.randrange(1, abs(document.gross) + 5000), document.currency)
        self.do(day, step)


ACTIONS = ["retry", "retry", "other_method", "mail", "hold", "cancel", "expire"]
TOKENS = ["tok_ok", "tok_ok", "tok_soft_decline", "tok_ok_after_2", "tok_hard_decline", "tok_expired"]


def policy(rng, name):
    """Steps of dunning."""
    days, steps = rng.choice([-1, 0, 3]), []
    for _ in range(rng.randrange(1, 5)):
        days += rng.randrange(1, 9)
        steps.append({"days": days, "action": rng.choice(ACTIONS)})
    if rng.random() < 0.4:
        steps.append({"days": days + 9, "action": "write_off"})
    return {"refkey": name, "default": name == "k", "manual": rng.random() < 0.5, "steps": steps}


def methods(rng):
    """Ways to pay, the default one of them or none."""
    made = [{"refkey": name, "type": "token", "gateway": "sandbox", "token": rng.choice(TOKENS)}
            for name in ("card", "spare")[:rng.choice([0, 1, 1, 2])]]
    if made:
        rng.choice(made)["makedefault"] = True
    return made


def payments(number):
    """Fees that are collected, paid, credited, refunded and dunned, with a run on most days."""
    rng = random.Random(f"payments {number}")
    made = book(rng)
    buyer, first = made["customers"][0], made["subscriptions"][0]
    buyer["paymentmethods"] = methods(rng)
    buyer["paymentterm"] = rng.choice([0, 8, 14])
    if rng.random() < 0.7:
        made["dunningpolicies"] = [policy(rng, "k")]
        if rng.random() < 0.4:
            made["dunningpolicies"].append(policy(rng, "own"))
            made["productplans"][1]["dunningpolicy"] = "own"
    if rng.random() < 0.5:
        made["subscriptions"].append({**first, "subscriptionnumber": "S-2", "productplan": "Q"})
        made["subscriptions"][1].pop("discount", None)
        agree(rng, made["subscriptions"][1], made["productplans"])
        buyer["collectivebilling"] = rng.random() < 0.5
    start = day_of(first["startdate"])
    fees = [c["sku"] for c in made["productplans"][0]["charges"]
            if c["pricingmodel"] == "per_unit" and c["chargetype"] == "recurring" and "chargesetup" not in c]
    desk = Desk(rng, made)
    for n in range(rng.choice([20, 70, 100])):
        day = start + timedelta(n)
        sub = desk.world.subscriptions["S-1"]
        if fees and sub.serves and sub.end == NEVER and not sub.waiting and rng.random() < 0.03:
            step = {"charge": rng.choice(fees), "amount": rng.choice(["0", "1", "5"]), "prorate": True}
            desk.do(day, {"subscription": "S-1", "do": "setamount", **step})
        if rng.random() < 0.8:
            desk.do(day, {"run": {}} if rng.random() < 0.9 else {"payments": "retry"})
        if rng.random() < 0.08:
            desk.pay(day)
        if rng.random() < 0.04:
            desk.credit(day)
    return {"name": f"payments {number}", "book": made, "timeline": desk.timeline}


def money(number):
    if number % 2:
        return payments(number // 2)
    rng = random.Random(f"money {number}")
    made = book(rng)
    for plan in made["productplans"]:
        plan["taxinclusive"] = number % 3 == 0
    acts = [(day, 1, act) for day, act in Teller(rng, made).tell()]
    start = day_of(made["subscriptions"][0]["startdate"])
    for event in usage(rng, made, LAST):
        came = start + timedelta(rng.randrange(0, (LAST - start).days))
        acts.append((came, 0, {"ingest": [event]}))
        if rng.random() < 0.2:
            amended = {**event, "id": event["id"] + "c", "corrects": event["id"], "quantity": rng.choice(["0", "1", "50"])}
            acts.append((came + timedelta(rng.randrange(1, 60)), 0, {"ingest": [amended]}))
    for _ in range(rng.choice([1, 3, 6])):
        acts.append((start + timedelta(rng.randrange(0, (LAST - start).days)), rng.choice([0, 2]), {"run": {}}))
    for _ in range(rng.choice([1, 2, 4])):
        acts.append((start + timedelta(rng.randrange(0, (LAST - start).days)), 3, {"credit": True}))
    desk = Desk(rng, made)
    for day, _, act in sorted([a for a in acts if a[0] < LAST], key=lambda a: a[:2]):
        if "credit" in act:
            desk.credit(day)
        else:
            desk.do(day, act)
    desk.do(LAST, {"run": {}})
    desk.credit(LAST)
    return {"name": f"money {number}", "book": made, "timeline": desk.timeline}
