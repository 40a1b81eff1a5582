"""Credit notes by hand between acts, refunds, late usage and corrections, payments."""

import random
from datetime import timedelta

from engine import World
from rules import day_of, shown
from stories import LAST, Teller, book, usage


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
        """Money that comes by itself, a refund, a write-off."""
        rng, all_of_them = self.rng, self.world.invoices
        places = [n for n, i in enumerate(all_of_them, 1) if i.gross > 0 or i.hand]
        if not places:
            return
        place = rng.choice(places)
        invoice = all_of_them[place - 1]
        if invoice.hand:
            self.do(day, {"invoice": place, "do": "refund"})
        elif rng.random() < 0.1:
            self.do(day, {"invoice": place, "do": "writeoff"})
        elif rng.random() < 0.5:
            self.do(day, {"invoice": place, "do": "markpaid"})
        else:
            amount = shown(rng.randrange(1, invoice.gross + 5000), invoice.currency)
            self.do(day, {"invoice": place, "do": "markpaid", "amount": amount})


def policy(rng):
    """Steps of dunning."""
    days, steps = 0, []
    for _ in range(rng.randrange(1, 5)):
        days += rng.randrange(1, 9)
        steps.append({"days": days, "action": rng.choice(["retry", "retry", "mail", "hold", "cancel", "expire"])})
    if rng.random() < 0.4:
        steps.append({"days": days + 9, "action": "write_off"})
    return {"refkey": "k", "default": True, "manual": rng.random() < 0.5, "steps": steps}


def payments(number):
    """A fee that is collected, paid, credited, refunded and dunned, with a run on most days."""
    rng = random.Random(f"payments {number}")
    made = book(rng)
    buyer = made["customers"][0]
    token = rng.choice(["tok_ok", "tok_ok", "tok_soft_decline", "tok_ok_after_2", "tok_hard_decline", None])
    if token:
        buyer["paymentmethods"] = [{"refkey": "card", "type": "token", "gateway": "sandbox", "token": token, "makedefault": True}]
    buyer["paymentterm"] = rng.choice([0, 8, 14])
    if rng.random() < 0.6:
        made["dunningpolicies"] = [policy(rng)]
    start = day_of(made["subscriptions"][0]["startdate"])
    desk = Desk(rng, made)
    for n in range(rng.choice([20, 70, 100])):
        day = start + timedelta(n)
        if rng.random() < 0.8:
            desk.do(day, {"run": {}})
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
