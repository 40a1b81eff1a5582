"""A subscription and its acts (rules S2, S4, R3, R4)."""

from datetime import date, timedelta
from fractions import Fraction as F

from rules import day_of, plus_months
from service import DAY, NEVER, Served

MONTHS = {"months": 1, "quarters": 3, "years": 12}


class Subscription:
    def __init__(self, world, entry):
        self.world, self.entry, self.number = world, entry, entry["subscriptionnumber"]
        self.customer = world.customers[entry["customer"]]
        self.plan = world.plans[entry["productplan"]]
        self.currency = self.customer.get("currencycode", self.plan["currencycode"])
        self.start = day_of(entry["startdate"]) + timedelta(entry.get("trialdays", 0))
        self.end = self.usage_end = day_of(entry["enddate"]) if "enddate" in entry else NEVER
        self.anchor = self.start
        self.serves, self.held, self.refund = entry.get("status") == "active", None, False
        self.waiting, self.owed = [], []  # acts, and lines, with their day
        self.charges = []
        self.take_on(self.plan, self.start)
        for own in entry.get("charges", []):
            charge = self.charge(own["charge"])
            charge.own_price = [(date.min, F(own["unitprice"]), charge.spec)]

    def term(self, day):
        """The end of the term that holds a day."""
        months = lambda which: self.entry.get(which + "interval", 0) * MONTHS.get(self.entry.get(which + "period"), 0)
        length, renewal = months("initialterm"), months("renewalterm")
        if not length:
            return NEVER
        start = day_of(self.entry["startdate"])
        while plus_months(start, length) <= day and renewal:
            length += renewal
        return plus_months(start, length)

    def take_on(self, plan, day, known=()):
        for order, spec in enumerate(plan["charges"]):
            if spec.get("chargesetup") != "optional" and spec.get("anchorcode", spec["sku"]) not in known:
                self.charges.append(Served(self, spec, day, order))

    def end_of(self, served):
        return self.usage_end if served.metered else self.end

    def off(self, served, day):
        """The share that a discount in percent takes off (D1)."""
        found = self.world.discount(served, day)
        return found.fraction if found and found.fraction is not None else F(0)

    def owe(self, due, line):
        """A line for a day. What waits is due with what gives it back: nothing is given back that was never charged (M3)."""
        at = next((n for n, (_, waiting) in enumerate(self.owed) if waiting is line.amends), None)
        if at is not None and self.owed[at][0] > due:
            waiting, credit = self.owed[at][1], self.owed[at - 1][1]
            del self.owed[at - 1:at + 1]
            self.owe(due, credit)
            self.owed.append((due, waiting))
        self.owed.append((due, line))

    def charge(self, name):
        alive = [c for c in self.charges if name in (c.spec["sku"], c.spec.get("anchorcode")) and c.end == NEVER]
        return alive[-1]

    # ------------------------------------------------------------ a day

    def play(self, day):
        """The lines whose charge date a day is."""
        for charge in self.charges:
            yield from charge.close(day)
        while due := self.take(self.waiting, day):
            for at, act in due:
                act(at)
        for charge in self.charges:
            yield from charge.close(day)
        for charge in list(self.charges):
            yield from charge.begin(day)
        for _, line in self.take(self.owed, NEVER if self.end <= day else day):  # nothing waits beyond the end
            yield day, line

    @staticmethod
    def take(queue, day):
        due = sorted([item for item in queue if item[0] <= day], key=lambda item: item[0])
        queue[:] = [item for item in queue if item[0] > day]
        return due

    def keeps(self, day, charges):
        """An end or a hold keeps what is billed: on the first day of a period the order of run and act decides (R4)."""
        self.world.by_order |= any(not c.arrears and not c.metered
                                   and (c.next == day or any(day in (p.first, p.caught) for p in c.paid)) for c in charges)

    # ------------------------------------------------------------ acts

    def act(self, on, step):
        """Notes an act, to be done when its day is played. Tells whether it is taken: what could not be billed is
        refused when it is asked for (R3)."""
        if step.get("option") == "immediately" and "effective" in step:
            return False  # the day of an end is said by `on_date`
        if step["do"] == "addoptionalcharge" and step["charge"] not in [c["sku"] for c in self.plan["charges"]]:
            return False
        day = day_of(step.get("effective", on.isoformat()))
        self.waiting.append((day, lambda at: getattr(self, step["do"])(at, step)))
        return True

    def setamount(self, day, step):
        chosen = self.charges if step.get("all") else [self.charge(step["charge"])]
        for charge in chosen:
            self.apply(charge, day, "quantity", F(step["amount"]), step)

    def setprice(self, day, step):
        """A price of its own, for the periods from that day on (P9)."""
        charge = self.charge(step["charge"])
        price = F(step["unitprice"]) if "unitprice" in step else None
        self.apply(charge, day, "own_price", charge.own_price + [(day, price, charge.spec)], {"prorate": False}, True)

    def togglecharge(self, day, step):
        """A charge that is off is billed as nothing: a whole period or none (R4)."""
        charge = self.charge(step["charge"])
        self.apply(charge, day, "on", not charge.on, {"prorate": False}, True)

    @staticmethod
    def apply(charge, day, name, value, step, priced=False):
        charge.change(day, lambda: setattr(charge, name, value), step.get("prorate"), priced=priced)

    def addoptionalcharge(self, day, step):
        order, spec = next((n, c) for n, c in enumerate(self.plan["charges"]) if c["sku"] == step["charge"])
        added = Served(self, spec, day, order, self.anchor)
        added.quantity = F(step.get("amount", spec.get("defaultamount", "1")))
        self.charges.append(added)

    def removecharge(self, day, step):
        charge = self.charge(step["charge"])
        if step.get("refund") != "prorated":
            self.keeps(day, [charge])
        charge.finish(day, step.get("refund") == "prorated")

    def setnextchargedate(self, day, step):
        self.charge(step["charge"]).moved = day_of(step["date"])
        self.world.by_order = True

    def skipnextcharge(self, day, step):
        charge = self.charge(step["charge"])
        charge.next, charge.moved = charge.next_period()[1], None
        self.world.by_order = True  # the next one is another before the run of its day

    def hold(self, day, step):
        refund = step.get("refund") == "prorated"
        if not refund:
            self.keeps(day, self.charges)
        self.serves, self.held = False, day
        for charge in self.charges:
            charge.hold(day, refund)

    def resume(self, day, step):
        self.serves = True
        if step.get("option") == "today":
            self.anchor = day
        for charge in self.charges:
            charge.resume(day, self.held, step.get("option", "next_period"))

    def cancel(self, day, step):
        option, self.refund = step.get("option"), step.get("refund") == "prorated"
        if not self.refund:
            self.keeps(day, self.charges)
        if option == "immediately":
            self.end, self.usage_end = day, day + DAY
            self.finish(day)
            return
        if option == "on_date":
            end = day_of(step["date"])
        elif option == "before_next_billing":
            end = min(c.next_period()[0] for c in self.charges if c.rhythm and not c.arrears)
        else:
            end = self.term(day)
        self.end = self.usage_end = end
        for charge in self.charges:
            if charge.open:
                charge.open.cease(end)
        self.waiting.append((end, self.finish))

    def expire(self, day, step):
        self.cancel(day, {**step, "option": "immediately"})

    def reactivate(self, day, step):
        self.waiting = [w for w in self.waiting if w[1] != self.finish]
        self.end = self.usage_end = NEVER
        for charge in self.charges:
            if charge.open:
                charge.open.end = charge.open.full[1]
            elif charge.rhythm and charge.next != charge.rhythm.holding(charge.next)[0]:
                charge.moved = day  # the rest of a stub that was paid is due through the act (T5)
                if charge.custom:  # and was paid with it (R1)
                    charge.next, charge.moved = charge.next_period()[1], None

    def finish(self, day):
        if not self.refund:
            self.keeps(day, self.charges)
        for charge in self.charges:
            charge.finish(self.end_of(charge), self.refund)

    def switchplan(self, day, step):
        """Now, or on the first charge date or renewal after the day."""
        when = step.get("when", "now")
        if when == "now":
            self.switch(day, step)
            return
        at = self.term(day)
        if when == "next_charge":
            at = min(c.next_charge(day) for c in self.charges if c.rhythm and c.end == NEVER)
        if at <= day:
            self.switch(day, step)
        else:
            self.waiting.append((at, lambda then: self.switch(then, step)))

    def switch(self, day, step):
        self.plan = self.world.plans[step["plan"]]
        name = lambda spec: spec.get("anchorcode", spec["sku"])  # the identity of a charge (S5)
        specs = {name(c): (n, c) for n, c in enumerate(self.plan["charges"])}
        paired = set()
        for charge in self.charges:
            code = name(charge.spec)
            if charge.end < NEVER:
                continue
            if code in specs:
                paired.add(code)
                charge.order = specs[code][0]
                charge.switch(day, dict(specs[code][1]), step.get("prorate"))  # a price that was set ends with its plan (P9)
            else:
                self.keeps(day, [charge])
                charge.finish(day, step.get("refund") == "prorated")
        self.take_on(self.plan, day, paired)
