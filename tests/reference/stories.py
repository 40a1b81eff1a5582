"""Stories: the life of a subscription with acts of every kind, before and after the run of the same day.

Two numbers that follow each other, 2n and 2n + 1, tell one story: the same acts on the same days, with other runs, and
the last one on the same day. But for R4's two acts they must come to the same money (T6, R4)."""

import random
from datetime import date, timedelta
from fractions import Fraction as F

from rules import Rhythm, day_of, plus_months, text
from service import DAY, NEVER

LAST = date(2026, 6, 30)


def price(rng):
    return f"{rng.randrange(20, 900)}.{rng.randrange(100):02}"


def fee(rng, sku, code, like=None, alignment="subscription_start"):
    """A recurring charge; `like` gives the rhythm of the one that it is paired with."""
    period = rng.choice(["monthly"] * 6 + ["weekly", "quarterly", "day_of_month"])
    charge = {"sku": sku, "fullname": sku, "chargetype": "recurring", "billingperiodalignment": alignment,
              "pricingmodel": rng.choice(["per_unit"] * 4 + ["flat", "flat", "custom"]), "billingperiod": period,
              "billingperiodinterval": 2 if period == "weekly" else 1, "defaultamount": "1", "taxable": True,
              "pricings": [{"currencycode": "DKK", "price": price(rng)}]}
    if code:
        charge["anchorcode"] = code
    if period == "day_of_month":
        charge["billingday"] = rng.choice([1, 1, 15])
    if charge["pricingmodel"] == "per_unit":
        charge["defaultamount"] = rng.choice(["1", "2", "3", "2.5"])
    if like:
        for name in ("billingperiod", "billingperiodinterval", "billingday", "defaultamount", "pricingmodel"):
            if name in like:
                charge[name] = like[name]
            else:
                charge.pop(name, None)
    if charge["pricingmodel"] == "custom":
        del charge["pricings"]
    return charge


def metered(rng, sku, code, like=None):
    charge = {"sku": sku, "fullname": sku, "chargetype": "usage", "meter": "m", "usagedatacalculationtype": "sum",
              "pricingmodel": "per_unit", "billingperiod": "monthly", "billingperiodinterval": 1,
              "billingperiodalignment": "period_end", "taxable": True, "anchorcode": code,
              "pricings": [{"currencycode": "DKK", "price": f"{rng.randrange(1, 9)}.{rng.randrange(100):02}"}]}
    if not like:
        charge["usagedatacalculationtype"] = rng.choice(["sum", "sum", "count", "highest", "weighted_sum"])
        if rng.random() < 0.3:
            charge["groupby"] = "user"
        return charge
    for name in ("usagedatacalculationtype", "groupby"):
        if name in like:
            charge[name] = like[name]
    return charge


def one_time(rng, sku):
    """Billed once, and at the same price in both plans."""
    return {"sku": sku, "fullname": sku, "chargetype": "one_time", "pricingmodel": "flat", "defaultamount": "1",
            "billingperiodalignment": "subscription_start", "taxable": True, "anchorcode": "once",
            "pricings": [{"currencycode": "DKK", "price": price(rng)}]}


def plans(rng, handle):
    """Two plans whose charges are paired, with an optional charge in both."""
    kinds = rng.choice([["a"], ["a"], ["a", "a"], ["p"], ["a", "p"], ["u"], ["a", "u"], ["a", "p", "u"]])
    first, second = [], []
    for n, kind in enumerate(kinds):
        if kind == "u":
            charge = metered(rng, f"U{n}", f"u{n}")
            other = metered(rng, f"V{n}", f"u{n}", charge)
        else:
            alignment = "period_end" if kind == "p" else "subscription_start"
            charge = fee(rng, f"R{n}", f"r{n}", None, alignment)
            other = fee(rng, f"S{n}", f"r{n}", charge, alignment)
        first.append(charge)
        second.append(other)
    option = {**fee(rng, "OPT", None), "chargesetup": "optional", "billingperiod": "monthly", "billingperiodinterval": 1}
    option.pop("billingday", None)
    if option["pricingmodel"] == "custom":
        option |= {"pricingmodel": "flat", "pricings": [{"currencycode": "DKK", "price": price(rng)}]}
    if rng.random() < 0.3:
        first.append(one_time(rng, "R9"))
        second.append({**first[-1], "sku": "S9"})
    made = [{"sku": sku, "fullname": sku, "currencycode": "DKK", "changehandle": handle, "charges": charges + [option]}
            for sku, charges in (("P", first), ("Q", second))]
    return made


def discount(rng):
    if rng.random() < 0.6:
        return None
    if rng.random() < 0.5:
        return {"type": "percentage", "amount": rng.choice(["0.10", "0.125", "0.3333"])}
    return {"type": "fixed", "amount": f"{rng.randrange(1, 300)}.{rng.randrange(100):02}", "currencycode": "DKK"}


def book(rng):
    start = date(2026, 1, rng.choice([1, 1, 1, 10, 15, 28, 31]))
    terms = {"initialtermperiod": "months", "initialterminterval": rng.choice([2, 3]),
             "renewaltermperiod": "months", "renewalterminterval": 1} if rng.random() < 0.3 else {}
    sub = {"subscriptionnumber": "S-1", "customer": "C-1", "productplan": "P", "startdate": start.isoformat(),
           "status": "active", "autorenew": True, **terms}
    buyer = {"accountnumber": "C-1", "fullname": "Buyer", "currencycode": "DKK", "country": "DK", "autobill": True}
    made = {"tenant": {"fullname": "Seller", "companyvat": "DK12345678", "currencycode": "DKK", "paymentterm": 14,
                       "timezone": "Europe/Copenhagen", "country": "DK"},
            "taxrules": [{"fullname": "VAT", "country": "*", "state": "*", "ruletype": "*", "priority": 10,
                          "taxpct": rng.choice(["25", "25", "8.1"]), "category": "S"}],
            "productplans": plans(rng, rng.choice([0, 1, 1, 2])), "customers": [buyer], "subscriptions": [sub]}
    agree(rng, sub, made["productplans"])
    found = discount(rng)
    if found:
        made["discounts"] = [{"refkey": "d", "fullname": "d", "invoicetext": "less", **found,
                              "codes": [{"codeprefix": "D", "code": "1", "redemption": 0}]}]
        rng.choice([buyer, sub])["discount"] = {"code": "D-1", "from": start.isoformat()}
    return made


def agree(rng, sub, plans):
    """What is agreed of the charges of a subscription: their custom prices."""
    plan = next(plan for plan in plans if plan["sku"] == sub["productplan"])
    custom = [c["sku"] for c in plan["charges"] if c["pricingmodel"] == "custom"]
    sub.pop("charges", None)
    if custom:
        sub["charges"] = [{"charge": sku, "unitprice": price(rng)} for sku in custom]


class Teller:
    """Makes up acts that the state of the subscription allows."""

    def __init__(self, rng, made):
        self.rng, self.book = rng, made
        self.plan, self.state, self.options, self.hastened = "P", "active", 0, False
        self.given_back = False
        self.start = day_of(made["subscriptions"][0]["startdate"])
        self.acts = []

    def days(self):
        """Days in order: first days of periods, and the days around them."""
        rng = self.rng
        turns = [plus_months(self.start, n) for n in range(5)]
        firsts = [date(2026, month, 1) for month in range(2, 6)]
        chosen = []
        for _ in range(rng.randrange(1, 5)):
            day = rng.choice(turns + firsts) + timedelta(rng.choice([0, 0, 0, 0, 1, -1, rng.randrange(1, 28)]))
            if self.start < day < LAST - timedelta(40) or day == self.start:
                chosen.append(day)
        return sorted(chosen)

    def charges(self, *kinds):
        plan = next(p for p in self.book["productplans"] if p["sku"] == self.plan)
        return [c for c in plan["charges"] if c.get("chargesetup") != "optional" and c["chargetype"] in kinds]

    def tell(self):
        for day in self.days():
            act = self.one(day)
            if act:
                self.acts.append((day, {"subscription": "S-1", **act}))
        return self.acts

    def one(self, day):
        rng = self.rng
        if self.state == "ended":
            return None
        if self.state == "ending":
            if day >= self.ends or rng.random() < 0.3:
                return None
            self.state, self.hastened = "active", True  # the rest of a stub is a charge date of its own
            return {"do": "reactivate"}
        if self.state == "hold":
            if rng.random() < 0.15:
                self.state = "ended"
                return {"do": "cancel", "option": "immediately", "refund": rng.choice(["none", "prorated"])}
            self.state = "active"
            options = ["next_period"] + ["today"] * (not self.hastened) + ["from_hold_date"] * (not self.given_back)
            return {"do": "resume", "option": rng.choice(options)}
        fees = self.charges("recurring")
        kinds = ["hold", "hold", "cancel", "switch"]
        kinds += ["amount", "amount", "price", "toggle", "skip", "early", "ahead"] * bool(fees)
        kinds += ["option"] * (self.options == 0) + ["remove"] * (self.options == 1)
        return getattr(self, rng.choice(kinds))(day, fees)

    def prorate(self):
        chosen = self.rng.choice([None, None, True, False])
        return {} if chosen is None else {"prorate": chosen}

    def amount(self, day, fees):
        units = [c for c in fees if c["pricingmodel"] == "per_unit"]
        if not units:
            return None
        charge, prorate = self.rng.choice(units), self.prorate()
        if charge["billingperiodalignment"] == "period_end":
            prorate = {}  # with and without in one period in arrears is left open
        return {"do": "setamount", "charge": charge["sku"],
                "amount": self.rng.choice(["0", "1", "2", "4", "4.75", "8"]), **prorate}

    def price(self, day, fees):
        return {"do": "setprice", "charge": self.rng.choice(fees)["sku"], "unitprice": price(self.rng)}

    def toggle(self, day, fees):
        return {"do": "togglecharge", "charge": self.rng.choice(fees)["sku"]}

    def skip(self, day, fees):
        ahead = [c for c in fees if c["billingperiodalignment"] != "period_end"]
        return {"do": "skipnextcharge", "charge": self.rng.choice(ahead)["sku"]} if ahead else None

    def early(self, day, fees):
        """A period in advance that is billed on a day set by hand."""
        ahead = [c for c in fees if c["billingperiodalignment"] != "period_end"]
        if not ahead:
            return None
        self.hastened = True
        charge = self.rng.choice(ahead)
        first, end, _ = Rhythm(charge, self.start).holding(day)
        days = 1 if first == day else min(12, (end - day).days)
        return {"do": "setnextchargedate", "charge": charge["sku"],
                "date": (day + timedelta(self.rng.randrange(days))).isoformat()}

    def ahead(self, day, fees):
        """A change that is asked for before its day; nothing comes after it."""
        act = None if self.hastened else self.rng.choice([self.amount, self.price])(day, fees)
        self.state = "ended"
        return act and {**act, "effective": (day + timedelta(self.rng.randrange(1, 60))).isoformat()}

    def option(self, day, fees):
        self.options = 1
        return {"do": "addoptionalcharge", "charge": "OPT"}

    def remove(self, day, fees):
        self.options = 2
        return {"do": "removecharge", "charge": "OPT"}

    def hold(self, day, fees):
        self.state = "hold"
        self.given_back = self.rng.random() < 0.2
        return {"do": "hold", **({"refund": "prorated"} if self.given_back else {})}

    def cancel(self, day, fees):
        self.state = "ended"
        refund = self.rng.choice(["none", "prorated"])
        option = self.rng.choice(["immediately", "immediately", "on_date", "on_date", "expire"])
        if option == "expire":
            return {"do": "expire", **({"refund": refund} if refund == "prorated" else {})}
        if option == "immediately":
            return {"do": "cancel", "option": option, "refund": refund}
        self.state, self.ends = "ending", day + timedelta(self.rng.randrange(1, 40))
        return {"do": "cancel", "option": option, "date": self.ends.isoformat(), "refund": refund}

    def switch(self, day, fees):
        when = self.rng.choice(["now", "now", "next_charge"] + ["at_renewal"] * ("initialtermperiod" in
                               self.book["subscriptions"][0]))
        if when != "now" and self.hastened:  # a period that is billed early at what is planned is another story
            return None
        self.plan = "Q" if self.plan == "P" else "P"
        if when != "now":
            self.state = "ended"  # what would come after it is another story
            return {"do": "switchplan", "plan": self.plan, "when": when}
        return {"do": "switchplan", "plan": self.plan, "when": when, **self.prorate()}


def usage(rng, made, until):
    """Events of the whole story; they are there before the first run."""
    start = day_of(made["subscriptions"][0]["startdate"])
    return [{"id": f"e{n:02}", "subject": "S-1", "meter": "m", "quantity": text(F(rng.randrange(1, 4000), 100)),
             "time": f"{start + timedelta(rng.randrange(0, (until - start).days))}T{rng.choice([0, 1, 5, 12, 18, 23]):02}:30:00",
             "properties": {"user": rng.choice(["a", "b", "c"])}} for n in range(rng.choice([0, 8, 25]))]


def story(number):
    rng = random.Random(f"story {number // 2}")
    made = book(rng)
    acts = Teller(rng, made).tell()
    events = usage(rng, made, LAST)
    runs = random.Random(f"runs {number}")
    start = day_of(made["subscriptions"][0]["startdate"])
    timeline = [(start, 0, {"ingest": events})] if events else []
    days = [start + timedelta(runs.randrange(0, 120)) for _ in range(runs.choice([0, 2, 6]))]
    days += [day for day, _ in acts if runs.random() < 0.5]
    timeline += [(day, runs.choice([1, 3]), {"run": {}}) for day in sorted(set(days)) if day < LAST]
    timeline += [(day, 2, act) for day, act in acts] + [(LAST, 4, {"run": {}})]
    timeline.sort(key=lambda step: step[:2])
    return {"name": f"story {number}", "book": made,
            "timeline": [{"on": day.isoformat(), **step} for day, _, step in timeline]}
