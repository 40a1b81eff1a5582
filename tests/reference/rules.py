"""The billing rules once more: written from the rules alone, in exact fractions, with no code shared with the program.
The letters and numbers in brackets are those of docs/billing-rules.md."""

from datetime import date, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction as F
from math import gcd

DECIMALS = {"DKK": 2, "EUR": 2, "USD": 2, "JPY": 0, "KWD": 3}


# ---------------------------------------------------------------- money (M)

def minor(exact, currency):
    """Minor units, half away from zero (M1)."""
    scaled = exact * 10 ** DECIMALS[currency]
    whole = (2 * abs(scaled.numerator) + scaled.denominator) // (2 * scaled.denominator)
    return whole if scaled >= 0 else -whole


def major(units, currency):
    return F(units) / 10 ** DECIMALS[currency]


def allot(total, exact):
    """Integers that sum to total: floors, then one each to the largest fractions, ties to the first (M3)."""
    floors = [e.numerator // e.denominator for e in exact]
    order = sorted(range(len(exact)), key=lambda i: (-(exact[i] - floors[i]), i))
    for i in order[: total - sum(floors)]:
        floors[i] += 1
    assert sum(floors) == total
    return floors


def shown(units, currency):
    digits = DECIMALS[currency]
    text = str(abs(units)).rjust(digits + 1, "0")
    text = text[:-digits] + "." + text[-digits:] if digits else text
    return "-" + text if units < 0 else text


# ---------------------------------------------------------------- time (T)

def day_of(text):
    return date.fromisoformat(text)


def plus_months(day, count):
    index = day.year * 12 + day.month - 1 + count
    year, month = divmod(index, 12)
    following = date(year + (month + 1) // 12, (month + 1) % 12 + 1, 1)
    return date(year, month + 1, min(day.day, (following - timedelta(1)).day))


def on_day(first, day):
    """A day of the month that begins on `first`, or its last one (T2)."""
    return date(first.year, first.month, min(day, month_end(first).day))


def month_end(day):
    return plus_months(date(day.year, day.month, 1), 1) - timedelta(1)


class CentralEurope(tzinfo):
    """Europe/Copenhagen as it is since 1996; of an hour that occurs twice the first one is meant (Q3)."""

    @staticmethod
    def last_sunday(year, month):
        last = month_end(date(year, month, 1))
        return last - timedelta(last.isoweekday() % 7)

    def dst(self, at):
        begins = datetime.combine(self.last_sunday(at.year, 3), datetime.min.time()) + timedelta(hours=2)
        ends = datetime.combine(self.last_sunday(at.year, 10), datetime.min.time()) + timedelta(hours=3)
        return timedelta(hours=1 if begins <= at.replace(tzinfo=None) < ends else 0)

    def utcoffset(self, at):
        return timedelta(hours=1) + self.dst(at)


ZONES = {"UTC": timezone.utc, "Europe/Copenhagen": CentralEurope()}


class Rhythm:
    """Period n is anchor + n intervals, counted from the anchor (T2, T3)."""

    DAYS, MONTHS = {"daily": 1, "weekly": 7, "day_of_week": 7}, {"quarterly": 3, "annually": 12}

    def __init__(self, charge, start):
        self.unit, self.count = charge["billingperiod"], charge.get("billingperiodinterval", 1)
        self.start = self.anchor = start
        if self.unit == "day_of_month":
            self.anchor = next(d for d in (start + timedelta(n) for n in range(40)) if d.day == charge["billingday"])
        if self.unit == "day_of_week":
            self.anchor = start + timedelta((charge["billingday"] - start.isoweekday()) % 7)
        if self.unit == "last_day_of_month":
            self.anchor = month_end(start)
        # A month alone means its first day.
        self.day = charge.get("billingday", "billingmonth" in charge or None) if self.unit in self.MONTHS else None
        if self.unit in self.MONTHS and ("billingday" in charge or "billingmonth" in charge):
            self.anchor = self.day_of_the_year(start, charge.get("billingmonth"))

    def day_of_the_year(self, start, month):
        """The first day on or after the start that quarters or years are counted from (T3)."""
        step = gcd(self.MONTHS[self.unit] * self.count, 12)
        first = date(start.year, start.month, 1)
        days = [on_day(plus_months(first, n), self.day or start.day) for n in range(13)]
        return next(d for d in days if d >= start and (month is None or (d.month - month) % step == 0))

    def bound(self, n):
        n *= self.count
        if self.unit in self.DAYS:
            return self.anchor + timedelta(n * self.DAYS[self.unit])
        if self.unit == "last_day_of_month":
            return month_end(plus_months(date(self.anchor.year, self.anchor.month, 1), n))
        bound = plus_months(date(self.anchor.year, self.anchor.month, 1), n * self.MONTHS.get(self.unit, 1))
        return on_day(bound, self.day or self.anchor.day)

    def holding(self, day):
        """(first day, end, (first day and end of the full period)) of the period that holds a day."""
        if day < self.anchor:
            return self.start, self.anchor, (self.bound(-1), self.anchor)
        n = (day - self.anchor).days // (self.DAYS.get(self.unit, 31 * self.MONTHS.get(self.unit, 1)) * self.count)
        while self.bound(n + 1) <= day:
            n += 1
        full = (self.bound(n), self.bound(n + 1))
        return *full, full


def part(price, currency, first, end, full, charged_from=None):
    """Minor units of [first, end) of a full period at a price (R2)."""
    c, days = charged_from or first, (full[1] - full[0]).days
    upto = lambda day: minor(price * (day - c).days / days, currency)
    return upto(end) - upto(first)


# ---------------------------------------------------------------- quantity (Q)

class Event:
    """A usage event at its local day."""

    def __init__(self, entry, zone):
        self.id, self.quantity = entry["id"], F(entry["quantity"])
        self.subject, self.meter = entry["subject"], entry["meter"]
        self.properties, self.zone = entry.get("properties", {}), zone
        at = datetime.fromisoformat(entry["time"].replace("Z", "+00:00"))
        at = at.astimezone(zone) if at.tzinfo else at.replace(tzinfo=zone)
        self.day, self.seconds = at.date(), int(at.timestamp())

    def __lt__(self, other):
        return (self.seconds, self.id) < (other.seconds, other.id)


def aggregate(how, events, charge, first, end):
    """One quantity from the events of [first, end); ties in time by id (Q2)."""
    events = sorted(events)
    quantities = [e.quantity for e in events]
    if how == "count":
        return F(len(events))
    if how == "unique_count":
        names = {e.properties.get(charge["uniqueproperty"]) for e in events}
        return F(len(names - {None, ""}))
    if not events:
        return F(0)
    if how in ("sum", "dynamic"):
        value = sum(quantities)
    elif how == "average":
        value = sum(quantities) / len(events)
    elif how == "lowest":
        value = min(quantities)
    elif how == "highest":
        value = max(quantities)
    elif how == "last":
        value = quantities[-1]
    elif how == "range":
        value = quantities[-1] - quantities[0]
    elif how == "sum_average":
        value = sum(quantities) / F(charge["sumaveragefactor"])
    elif how == "percentile":
        rank = F(charge["percentile"]) / 100 * len(events)
        value = sorted(quantities)[max(1, -(-rank.numerator // rank.denominator)) - 1]
    elif how == "weighted_sum":  # each change counts for the share of the period, in seconds, that is left of it
        midnight = lambda day: int(datetime(day.year, day.month, day.day, tzinfo=events[0].zone).timestamp())
        whole = midnight(end) - midnight(first)
        value = sum(e.quantity * (midnight(end) - e.seconds) for e in events) / whole
    return value if charge["pricingmodel"] == "dynamic" else max(value, F(0))


# ---------------------------------------------------------------- price (P)

def price(charge, rows, quantity, events):
    """Exact amount of a quantity, before the maximum; None if nothing is charged (P4, P5)."""
    if charge["pricingmodel"] == "dynamic":  # amounts of the events, below zero too (Q2)
        return quantity * F(rows[0].get("multiplier", 1)) if quantity else None
    if quantity <= 0 and not charge.get("chargeatzero"):
        return None
    model, q = charge["pricingmodel"], max(F(0), quantity - F(charge.get("includedamount", 0)))
    first = rows[0]
    if model == "flat":
        return F(first["price"])
    if model == "per_unit":
        return q * F(first["price"])
    if model == "package":
        packages = q / F(charge["packagesize"])
        return -(-packages.numerator // packages.denominator) * F(first["price"])
    if model == "percentage":
        return q * F(first["percentage"]) / 100 + len(events) * F(first.get("fixedfee", 0))
    lower, total = F(0), F(0)
    for row in rows:
        upper = F(row["tierto"]) if "tierto" in row else None
        flat, unit = F(row.get("flatprice", 0)), F(row.get("price", 0))
        enters = q > lower or (lower == 0 and charge.get("chargeatzero"))
        holds = enters and (upper is None or q <= upper)
        if model == "stairstep" and holds:
            return unit
        if model == "volume" and holds:
            return q * unit + flat
        if model == "tiered" and enters:
            total += flat + (q if upper is None else min(q, upper)) * unit - lower * unit
        if model == "graduated_percentage" and q > lower:
            total += ((q if upper is None else min(q, upper)) - lower) * F(row["percentage"]) / 100
        if upper is None or q <= upper:
            break
        lower = upper
    return total


# ---------------------------------------------------------------- usage, tax, lines

def in_force(rows, day):
    """The rows of the price version in force on a day (P9)."""
    dated = lambda r: day_of(r.get("validfrom", "1970-01-01"))
    version = max(dated(r) for r in rows if dated(r) <= day)
    return [r for r in rows if dated(r) == version]


ALL = "\U0010ffff"  # in the place of a group: what belongs to all of them; sorted last


def worth_of(window, currency, groups, off):
    """By group of a period of usage: (net of the regular line or none, of the true-up or none), less the discount."""
    charge, first, end = window.spec, window.first, window.end
    how, rows = charge["usagedatacalculationtype"], charge["pricings"]
    versions = sorted({day_of(r["validfrom"]) for r in rows if "validfrom" in r})
    cuts = [v for v in versions if first < v < end] if how in ("sum", "count") else []
    values, before = {}, 0
    for group in sorted(groups) or [""]:
        events = groups.get(group, [])
        if cuts:
            exact = stretches(charge, how, events, first, end, cuts)
        else:
            exact = price(charge, in_force(rows, first), aggregate(how, events, charge, first, end), events)
        if exact is not None and "maximumamount" in charge:
            exact = min(exact, F(charge["maximumamount"]))
        before += 0 if exact is None else minor(exact, currency)
        values[group] = (None if exact is None else minor(exact * (1 - off), currency), None)
    if "minimumamount" in charge:  # over all its lines; prorated in a stub (P6)
        minimum = part(F(charge["minimumamount"]), currency, first, end, window.full, window.begins)
        if minimum > before:
            true_up = minor(major(minimum - before, currency) * (1 - off), currency)
            key = ALL if "groupby" in charge else ""
            values[key] = (values.get(key, (None,))[0], true_up)
    return values


def stretches(charge, how, events, first, end, cuts):
    """A sum that is cut by price versions: the running total goes on through the tiers (P9)."""
    total, exact = F(0), F(0)
    bounds = [first] + cuts + [end]
    within = [[e.quantity for e in events if a <= e.day < b] for a, b in zip(bounds, bounds[1:])]
    quantities = [sum(q, F(0)) if how == "sum" else F(len(q)) for q in within]
    if sum(quantities) <= 0:
        return None
    for version, q in zip(bounds, quantities):
        rows = in_force(charge["pricings"], version)
        upto = lambda x: price(charge, rows, x, []) or F(0)
        exact += upto(total + q) - upto(total)
        total += q
    return max(exact, F(0))  # what is used never gives money


class Line:
    """`own` is its amount after the discount, gross where the plan's prices are; `taxdate` picks the tax rule (X1).
    A line that gives something back names the one that it `amends` (M3)."""

    def __init__(self, served, spec, first, end, own, kind, taxdate, amends):
        self.served, self.spec, self.first, self.end, self.own, self.kind = served, spec, first, end, own, kind
        self.taxdate, self.amends = taxdate, amends
        self.arrears = spec.get("billingperiodalignment") == "period_end"
        self.net = self.vat = self.granted = 0
        self.credited = self.net_credited = self.vat_credited = 0
        self.amount = None  # tells `own` once the day's discounts are granted
        self.takes, self.period, self.group, self.window, self.before = [], None, None, None, []
        self.given = []  # (line, gross) of what it gives back
        self.document, self.plan = None, served.sub.plan["sku"]

    def original(self):
        """The line of an earlier document that it amends: of late usage the period's first one (M5)."""
        if self.amends or self.window is None:
            return self.amends
        booked = [l for lines in self.window.booked.values() for l in lines if l.kind == 0 and l.document]
        return min(booked, key=lambda l: l.group or "", default=None)


def tax_of(charge, taxdate, rules):
    if not charge.get("taxable", True):
        return ("E", F(0))
    day = taxdate.isoformat()
    found = [r for r in rules if r.get("validfrom", "") <= day < r.get("validto", "9999")]
    return (found[0].get("category", "S"), F(found[0]["taxpct"])) if found else ("O", F(0))


def settle_vat(lines, currency, inclusive, rules):
    """VAT per (category, rate), rounded once, allotted by largest remainder (M2, M4)."""
    groups = {}
    for line in lines:
        groups.setdefault(tax_of(line.spec, line.taxdate, rules), []).append(line)
    scale = 10 ** DECIMALS[currency]
    for (_, pct), members in groups.items():
        rate = pct / 100
        if inclusive:
            exact = [F(l.own) / (1 + rate) for l in members]
            for line, net in zip(members, allot(minor(sum(exact) / scale, currency), exact)):
                line.net, line.vat = net, line.own - net
        else:
            exact = [F(l.own) * rate for l in members]
            for line, vat in zip(members, allot(minor(sum(exact) / scale, currency), exact)):
                line.net, line.vat = line.own, vat


def text(q):
    return format((Decimal(q.numerator) / Decimal(q.denominator)).normalize(), "f")
