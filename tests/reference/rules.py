"""The billing rules once more: written from the rules alone, in exact fractions, with no code shared with the program.
The letters and numbers in brackets are those of docs/billing-rules.md."""

from datetime import date, timedelta
from fractions import Fraction as F

DECIMALS = {"DKK": 2, "EUR": 2, "JPY": 0, "KWD": 3}


# ---------------------------------------------------------------- money (M)

def minor(exact, currency):
    """Minor units, half away from zero (M1)."""
    scaled = exact * 10 ** DECIMALS[currency]
    whole = (2 * abs(scaled.numerator) + scaled.denominator) // (2 * scaled.denominator)
    return whole if scaled >= 0 else -whole


def major(units, currency):
    return F(units, 10 ** DECIMALS[currency])


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

def plus_months(day, count):
    index = day.year * 12 + day.month - 1 + count
    year, month = divmod(index, 12)
    following = date(year + (month + 1) // 12, (month + 1) % 12 + 1, 1)
    return date(year, month + 1, min(day.day, (following - timedelta(1)).day))


def month_end(day):
    return plus_months(date(day.year, day.month, 1), 1) - timedelta(1)


class Rhythm:
    """Period n is anchor + n intervals, counted from the anchor (T2, T3)."""

    MONTHS = {"monthly": 1, "quarterly": 3, "annually": 12}

    def __init__(self, charge, start):
        self.unit, self.count = charge["billingperiod"], charge["billingperiodinterval"]
        self.start = self.anchor = start
        if self.unit == "day_of_month":
            self.anchor = next(d for d in (start + timedelta(n) for n in range(40)) if d.day == charge["billingday"])
        if self.unit == "last_day_of_month":
            self.anchor = month_end(start)

    def bound(self, n):
        n *= self.count
        if self.unit in ("daily", "weekly"):
            return self.anchor + timedelta(n * (7 if self.unit == "weekly" else 1))
        if self.unit == "last_day_of_month":
            return month_end(plus_months(date(self.anchor.year, self.anchor.month, 1), n))
        return plus_months(self.anchor, n * self.MONTHS.get(self.unit, 1))

    def periods(self, until):
        """(first day, end, first day of the full period, end of it), as long as the first day is before `until`."""
        if self.anchor > self.start:
            yield self.start, self.anchor, self.bound(-1), self.anchor
        n = 0
        while self.bound(n) < until:
            yield self.bound(n), self.bound(n + 1), self.bound(n), self.bound(n + 1)
            n += 1


def part(price, currency, first, end, full, charged_from=None):
    """Minor units of [first, end) of a full period at a price (R2)."""
    c, days = charged_from or first, (full[1] - full[0]).days
    upto = lambda day: minor(price * (day - c).days / days, currency)
    return upto(end) - upto(first)


class AtHour:
    """A local time: a day and an hour."""

    def __init__(self, day, hour):
        self.key = (day, hour)

    def date(self):
        return self.key[0]

    def __lt__(self, other):
        return self.key < other.key

    def __eq__(self, other):
        return self.key == other.key


# ---------------------------------------------------------------- quantity (Q)

def aggregate(how, events, charge):
    """An event is (time, id, quantity, user). Ties in time by id (Q2)."""
    events = sorted(events)
    quantities = [e[2] for e in events]
    if how == "count":
        return F(len(events))
    if how == "unique_count":
        return F(len({e[3] for e in events if e[3]}))
    if not events:
        return F(0)
    if how == "sum":
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
    return max(value, F(0))


# ---------------------------------------------------------------- price (P)

def price(charge, rows, quantity, count):
    """Exact amount of a quantity, before the maximum; None if nothing is charged (P4, P5)."""
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
        return q * F(first["percentage"]) / 100 + count * F(first.get("fixedfee", 0))
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


# ---------------------------------------------------------------- lines and invoices

class Line:
    """`subtotal` is net after the discount (gross if the plan's prices are); `taxdate` picks the tax rule."""

    def __init__(self, charge, first, end, subtotal, order, kind, taxdate):
        self.charge, self.first, self.end, self.subtotal = charge, first, end, subtotal
        self.order, self.kind, self.taxdate = order, kind, taxdate
        self.arrears = taxdate == end - timedelta(1) and kind in (0, 3, 4)
        self.vat, self.owner = 0, None


def recurring(charge, order, currency, life, until, fraction, changes, changehandle):
    """Lines of a recurring charge by charge date (T5, R1–R4)."""
    arrears = charge["billingperiodalignment"] == "period_end"
    rhythm = Rhythm(charge, life.start)
    amounts = [(life.start, F(charge["defaultamount"]))] + changes
    for first, end, full_first, full_end in rhythm.periods(min(until + timedelta(1), life.end)):
        full = (full_first, full_end)
        if arrears or life.known <= first:
            end = min(end, life.end)  # a trailing stub that is known by then
        due = end if arrears else first
        unit = F(in_force(charge["pricings"], first)[0]["price"])
        worth = lambda q: unit if charge["pricingmodel"] == "flat" else unit * q
        q = [q for d, q in amounts if d <= due][-1]
        taxdate = end - timedelta(1) if arrears else first
        off = fraction(taxdate)
        if due <= until and q > 0:
            net = part(worth(q) * (1 - off), currency, first, end, full)
            yield due, Line(charge, first, end, net, order, 0, taxdate)
        if arrears:
            continue
        cut = lambda p, d: part(p, currency, d, end, full, first)
        for d, q2 in [(d, q) for d, q in amounts if first < d < end and changehandle > 0]:
            old, new = worth(q), worth(q2)
            if new <= old:
                continue  # a downgrade waits for the next period
            when = d if changehandle == 1 else end
            credit = Line(charge, d, end, -cut(old * (1 - off), d), order, 1, taxdate)  # discount and tax stay (M5)
            off, taxdate, q = fraction(d), d, q2
            if when <= until:
                yield when, credit
                yield when, Line(charge, d, end, cut(new * (1 - off), d), order, 2, d)
        if life.refund and first < life.end < end and life.end <= until:
            net = -cut(worth(q) * (1 - off), life.end)
            yield life.end, Line(charge, life.end, end, net, order, 1, taxdate)


class Life:
    """From when to when a subscription is served, on which day its end is known, and whether it gives back what was
    paid in advance (R4)."""

    def __init__(self, start, end=date.max, known=date.max, refund=False):
        self.start, self.end, self.known, self.refund = start, end, known, refund


def in_force(rows, day):
    """The rows of the price version in force on a day (P9)."""
    dated = lambda r: date.fromisoformat(r.get("validfrom", "1970-01-01"))
    version = max(dated(r) for r in rows if dated(r) <= day)
    return [r for r in rows if dated(r) == version]


def usage(charge, order, currency, life, until, fraction, batches):
    """Lines of a usage charge, in arrears (P5, P6, P9). `batches` are (first as-of that sees it, events): what comes in
    for a period that is billed is a line of its own with the next charge date (Q5, M5)."""
    rhythm = Rhythm(charge, life.start)
    periods = [(a, min(b, life.end), (a, b)) for a, b, *_ in rhythm.periods(min(until, life.end))]
    periods = [period for period in periods if period[1] <= until]
    seen, booked, late_before = [], {}, date.min
    for as_of, events in batches:
        seen = seen + events
        for first, end, full in periods:
            if end > as_of:
                continue
            taxdate = end - timedelta(1)
            regular, true_up = worth_of(charge, currency, first, end, full, seen, fraction(taxdate))
            now = (regular or 0) + (true_up or 0)
            if end > late_before:
                if regular is not None:
                    yield end, Line(charge, first, end, regular, order, 0, taxdate)
                if true_up is not None:
                    yield end, Line(charge, first, end, true_up, order, 4, taxdate)
            elif now != booked[first]:
                following = min((b for _, b, _ in periods if late_before < b <= as_of), default=as_of)
                yield following, Line(charge, first, end, now - booked[first], order, 3, taxdate)
            booked[first] = now
        late_before = as_of


def worth_of(charge, currency, first, end, full, events, off):
    """(net of the regular line or none, net of the true-up) of a period, after the discount."""
    how, rows = charge["usagedatacalculationtype"], charge["pricings"]
    mine = [e for e in events if first <= e[0].date() < end]
    versions = sorted({date.fromisoformat(r["validfrom"]) for r in rows if "validfrom" in r})
    cuts = [v for v in versions if first < v < end] if how in ("sum", "count") else []
    if cuts:
        exact = stretches(charge, how, mine, first, end, cuts)
    else:
        exact = price(charge, in_force(rows, first), aggregate(how, mine, charge), len(mine))
    if exact is not None and "maximumamount" in charge:
        exact = min(exact, F(charge["maximumamount"]))
    missing = 0
    if "minimumamount" in charge:  # prorated in a stub (P6)
        minimum = part(F(charge["minimumamount"]), currency, first, end, full)
        missing = max(0, minimum - (minor(exact, currency) if exact is not None else 0))
    regular = None if exact is None else minor(exact * (1 - off), currency)
    return regular, minor(major(missing, currency) * (1 - off), currency) if missing else None


def stretches(charge, how, events, first, end, cuts):
    """A sum that is cut by price versions: the running total goes on through the tiers (P9)."""
    total, exact = F(0), F(0)
    bounds = [first] + cuts + [end]
    within = [[e[2] for e in events if a <= e[0].date() < b] for a, b in zip(bounds, bounds[1:])]
    quantities = [sum(q, F(0)) if how == "sum" else F(len(q)) for q in within]
    if sum(quantities) <= 0:
        return None
    for version, q in zip(bounds, quantities):
        rows = in_force(charge["pricings"], version)
        upto = lambda x: price(charge, rows, x, 0) or F(0)
        exact += upto(total + q) - upto(total)
        total += q
    return exact


def tax_of(charge, taxdate, rules):
    if not charge.get("taxable", True):
        return ("E", F(0))
    rule = next(r for r in rules if r["validfrom"] <= taxdate.isoformat() < r.get("validto", "9999"))
    return (rule["category"], F(rule["taxpct"]))


def settle_vat(lines, currency, inclusive, rules):
    """VAT per (category, rate), rounded once, allotted by largest remainder (M2, M4)."""
    groups = {}
    for line in lines:
        groups.setdefault(tax_of(line.charge, line.taxdate, rules), []).append(line)
    scale = 10 ** DECIMALS[currency]
    for (_, pct), members in groups.items():
        rate = pct / 100
        if inclusive:
            exact = [F(l.subtotal) / (1 + rate) for l in members]
            for line, net in zip(members, allot(minor(sum(exact) / scale, currency), exact)):
                line.vat, line.subtotal = line.subtotal - net, net
        else:
            exact = [F(l.subtotal) * rate for l in members]
            for line, vat in zip(members, allot(minor(sum(exact) / scale, currency), exact)):
                line.vat = vat
    return groups


def fixed(lines, currency, amount):
    """A fixed discount over the day's positive lines, by largest remainder (D1)."""
    positive = [l for l in lines if l.subtotal > 0]
    granted = min(minor(amount, currency), sum(l.subtotal for l in positive))
    if granted <= 0:
        return
    weight = sum(l.subtotal for l in positive)
    for line, off in zip(positive, allot(granted, [F(granted * l.subtotal, weight) for l in positive])):
        line.subtotal -= off
