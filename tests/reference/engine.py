"""Plays a scenario of `tallybook simulate` by the rules alone, in exact fractions, and tells every document:

    python3 engine.py < scenarios.ndjson

It shares no code with the program. What it knows of a book and of a timeline is what `scenarios.py` makes and what the
cases in `tests/golden/faults` hold."""

import json
import sys
from datetime import timedelta
from fractions import Fraction as F

from rules import ALL, ZONES, Event, allot, day_of, minor, major, plus_months, settle_vat, shown, tax_of, worth_of
from service import CREDIT, DAY, LATE, NEVER, REGULAR, TRUE_UP, Window, Line
from subscription import Subscription
from till import Till


class Discount:
    """A discount, from one day to another (D2)."""

    def __init__(self, entry, start, level, name):
        self.level, self.name, self.start, self.end = level, name, start, NEVER
        self.granted = set()
        self.percent = entry["type"] == "percentage"
        self.fraction = F(entry["amount"]) if self.percent else None
        self.amount = None if self.percent else F(entry["amount"])
        count, unit = entry.get("expiryperiodinterval"), entry.get("expiryperiod")
        if count:
            self.end = {"days": lambda: start + timedelta(count), "weeks": lambda: start + timedelta(7 * count),
                        "months": lambda: plus_months(start, count), "years": lambda: plus_months(start, 12 * count)}[unit]()


class Invoice:
    def __init__(self, lines, currency, inclusive, hand=False):
        self.lines, self.currency, self.inclusive, self.hand = lines, currency, inclusive, hand
        self.gross = sum(l.net + l.vat for l in lines)
        for line in lines:
            line.document = self
        originals = [line.original() for line in lines]
        self.credits = [line.document for line in originals if line and line.document]  # the invoices that a credit note names

    def told(self):
        return {"Total": shown(sum(l.net for l in self.lines), self.currency),
                "TotalVat": shown(sum(l.vat for l in self.lines), self.currency),
                "lines": [[l.spec["sku"], l.first.isoformat(), (l.end - DAY).isoformat(), shown(l.net, self.currency),
                           shown(l.vat, self.currency)] for l in self.lines]}


class World:
    def __init__(self, book):
        self.book, self.zone = book, ZONES[book["tenant"].get("timezone", "UTC")]
        self.plans = {p["sku"]: p for p in book["productplans"]}
        self.gross = any(p.get("taxinclusive") for p in book["productplans"])
        self.customers = {c["accountnumber"]: c for c in book["customers"]}
        self.codes = {f"{c['codeprefix']}-{c['code']}": d for d in book.get("discounts", []) for c in d["codes"]}
        self.discounts, self.events, self.invoices, self.refused = [], [], [], []
        self.till = Till(self)
        self.kept = {}  # lines that wait as their invoice is too small, by payer (I8)
        for kind, entries, key in (("customer", book["customers"], "accountnumber"),
                                   ("subscription", book["subscriptions"], "subscriptionnumber")):
            for entry in entries:
                if "discount" in entry:
                    self.apply(kind, entry[key], entry["discount"]["code"], day_of(entry["discount"]["from"]))
        self.subscriptions = {s["subscriptionnumber"]: Subscription(self, s) for s in book["subscriptions"]}
        self.by_order = any(d["type"] == "fixed" for d in book.get("discounts", []))  # whether run or act was first
        self.played = min([s.start for s in self.subscriptions.values()], default=NEVER)

    # ------------------------------------------------------------ discounts

    def apply(self, level, name, code, start):
        for old in self.discounts:
            if (old.level, old.name) == (level, name):
                old.end = min(old.end, start)
        if code:
            self.discounts.append(Discount(self.codes[code], start, level, name))

    def discount(self, served, day):
        """The most specific one in force; they do not stack (D1)."""
        sub = served.sub
        for level, name in (("charge", (sub.number, served.spec["sku"])), ("subscription", sub.number),
                            ("customer", sub.customer["accountnumber"])):
            for found in self.discounts:
                if (found.level, found.name) == (level, name) and found.start <= day < found.end:
                    return found
        return None

    # ------------------------------------------------------------ usage

    def ingest(self, entries):
        for entry in entries:
            if "corrects" in entry:
                if entry["corrects"] not in [e.id for e in self.events]:
                    continue  # stale_correction
                self.events = [e for e in self.events if e.id != entry["corrects"]]
                if F(entry["quantity"]) == 0:
                    continue  # removed
            self.events.append(Event(entry, self.zone))

    def grouped(self, served, window):
        """Events of a window by the value of the charge's group."""
        spec, groups = window.spec, {}
        for e in self.events:
            if e.subject != served.sub.number or e.meter != spec.get("meter", spec["sku"]):
                continue
            if not window.first <= e.day < window.end:
                continue
            if any(e.properties.get(name) not in values for name, values in spec.get("filter", {}).items()):
                continue
            group = e.properties.get(spec["groupby"], "") if "groupby" in spec else ""
            groups.setdefault(group, []).append(e)
        return groups

    def values(self, served, window):
        """By group: (net of the regular line or none, of the true-up or none), before a fixed discount (P6)."""
        off = served.sub.off(served, window.end - DAY)
        return worth_of(window, served.sub.currency, self.grouped(served, window), off)

    def rate(self, served, window, day):
        """The lines of a period that a run bills."""
        taxdate = window.end - DAY
        for group, (regular, true_up) in self.values(served, window).items():
            booked = window.booked.setdefault(group, [])
            for amount, kind in ((regular, REGULAR), (true_up, TRUE_UP)):
                if amount is not None:
                    line = Line(served, window.spec, window.first, window.end, amount, kind, taxdate, None)
                    line.group = group
                    booked.append(line)
                    yield day, line

    def late(self, served, window):
        """What usage that came later changes (Q5, M5)."""
        values, booked = self.values(served, window), dict(window.booked)
        if not (set(values) | set(booked)) - {"", ALL}:  # one line with the shortfall, which is less first (P6)
            if ALL in values:
                values[""] = (values.get("", (None,))[0], values.pop(ALL)[1])
            booked = {"": [l for lines in booked.values() for l in lines]}
        for group in sorted(set(values) | set(booked)):
            regular, true_up = values.get(group, (None, None))
            lines = booked.get(group, [])
            granted = sum(l.granted for l in lines)
            now = (max(0, (regular or 0) - granted) if granted else regular or 0) + (true_up or 0)
            wanted = now - sum(l.own for l in lines)
            if wanted < 0:  # what is worth less than nothing by its own events is no credit (Q2)
                below = max(min(now, 0), wanted)
                wanted = below - min(below - wanted, sum(max(0, l.own - l.credited) for l in lines))
            if wanted:
                line = Line(served, window.spec, window.first, window.end, wanted, LATE, window.end - DAY, None)
                line.group, line.window, line.before = group, window, lines
                yield line

    # ------------------------------------------------------------ runs

    def run(self, as_of):
        """Everything that is due, oldest first (T5, T6), after the dunning of the morning."""
        self.till.morning(as_of)
        self.as_of, self.made, late = as_of, [], {}
        for sub in self.subscriptions.values():
            for served in sub.charges:
                lines = [l for window in served.closed for l in self.late(served, window)]
                if lines:
                    late[served] = lines
        while self.played <= as_of:
            day, made = self.played, []
            for sub in self.subscriptions.values():
                ended = {c: len(c.closed) for c in sub.charges}
                made += [line for _, line in sub.play(day)]
                for served, before in ended.items():
                    none_comes = day == as_of and served.open is None
                    if served in late and (len(served.closed) > before or none_comes):
                        made += late.pop(served)
            self.draft(day, made)
            self.played += DAY
        self.played = as_of
        self.made.sort(key=lambda i: (i.gross >= 0, i.date, i.payer, i.lines[0].served.sub.number))  # numbers (I5)
        self.invoices += self.made
        self.till.book(self.made, as_of)

    def draft(self, day, lines):
        """The invoices of a charge date (I1, D1, M2, I8)."""
        documents = {}
        for line in lines:
            sub = line.served.sub
            payer = sub.customer
            while payer.get("billtoparent"):
                payer = self.customers[payer["parent"]]
            key = (payer["accountnumber"], "" if payer.get("collectivebilling") else sub.number, sub.currency)
            documents.setdefault(key, []).append(line)
        self.grant(day, documents)
        for key in sorted(documents):
            self.book_one(day, key, documents[key])
        for (payer, currency), kept in list(self.kept.items()):
            if all(l.served.sub.end <= day for l in kept):  # there is no next one (I8)
                self.book_one(day, (payer, "", currency), [])

    def grant(self, day, documents):
        """Fixed discounts over the day's regular lines, in number order, once for a charge date (D1)."""
        for lines in documents.values():
            lines.sort(key=lambda l: (l.served.sub.number, l.served.order, l.first, l.kind, l.group or ""))
        numbered = sorted(documents, key=lambda key: (not any(l.arrears for l in documents[key]), key))
        shares = {}
        for line in (l for key in numbered for l in documents[key]):
            found = self.discount(line.served, line.taxdate)
            if found and not found.percent and line.kind == REGULAR and line.own > 0:
                shares.setdefault(found, []).append(line)
        for found, sharing in shares.items():
            if day in found.granted:
                continue
            found.granted.add(day)
            weight = sum(l.own for l in sharing)
            granted = min(minor(found.amount, sharing[0].served.sub.currency), weight)
            for line, off in zip(sharing, allot(granted, [F(granted * l.own, weight) for l in sharing])):
                line.own -= off
                line.granted = off
                if line.period:
                    line.period.granted = major(off, line.served.sub.currency)

    def book_one(self, day, key, lines):
        for line in [l for l in lines if l.amount]:
            line.own = line.amount()
        for line in [l for l in lines if l.kind == CREDIT]:
            line.own = -min(-line.own, line.amends.own - line.amends.credited)
            line.amends.credited -= line.own
        for line in [l for l in lines if l.kind == LATE]:
            if line.own < 0:
                taken = -line.own
                line.takes = []
                for old in line.before:
                    part = max(0, min(taken, old.own - old.credited))
                    old.credited += part
                    taken -= part
                    line.takes.append((old, part))
            line.window.booked.setdefault(line.group, []).append(line)
        lines = [l for l in lines if l.own or l.kind in (REGULAR, TRUE_UP)]
        payer, _, currency = key
        if not lines and (payer, currency) not in self.kept:
            return
        inclusive = (lines or self.kept[payer, currency])[0].served.sub.plan.get("taxinclusive", False)
        settle_vat(lines, currency, inclusive, self.book.get("taxrules", []))
        if sum(l.net + l.vat for l in lines) >= 0:
            lines = self.kept.pop((payer, currency), []) + lines
            settle_vat(lines, currency, inclusive, self.book.get("taxrules", []))
            gross, least = sum(l.net + l.vat for l in lines), F(self.book["tenant"].get("minimuminvoice", 0))
            ended = all(l.served.sub.end <= day for l in lines)
            if gross < minor(least, currency) and not ended:
                self.kept[payer, currency] = lines
                return
        self.bound_vat(lines, inclusive)
        invoice = Invoice(lines, currency, inclusive)
        invoice.payer, invoice.date = payer, day - DAY if any(l.arrears for l in lines) else day
        term = self.customers[payer].get("paymentterm", self.book["tenant"].get("paymentterm", 8))
        invoice.due = invoice.date + (self.as_of - day) + timedelta(term)
        self.made.append(invoice)
        for line in lines:
            if line.amends:
                line.amends.net_credited -= line.net
                line.amends.vat_credited -= line.vat
                line.given.append((line.amends, -line.net - line.vat))
            shares = [part for _, part in line.takes]
            shares.append(max(0, -line.own - sum(shares)))  # what is below zero by its own events keeps its VAT
            vats = allot(-line.vat, [F(-line.vat * part, sum(shares)) for part in shares]) if sum(shares) else []
            for (old, part), vat in zip(line.takes, vats):
                old.net_credited += part - (vat if inclusive else 0)
                old.vat_credited += vat
                line.given.append((old, part + (0 if inclusive else vat)))

    def bound_vat(self, lines, inclusive):
        """VAT that goes back is at most what is left of the group that it is of, and all of that with the last of its net (M3).
        What another line of the group charges evens it out (M2)."""
        group_of = lambda line: tax_of(line.spec, line.taxdate, self.book.get("taxrules", []))
        groups = {}
        for line in lines:
            if line.amends and line.amends.document:
                groups.setdefault((id(line.amends.document), group_of(line)), []).append(line)
        for (_, group), giving in groups.items():
            members = [l for l in giving[0].amends.document.lines if l.own > 0 and group_of(l) == group]
            left = sum(l.vat - l.vat_credited for l in members)
            given = -sum(l.vat for l in giving)
            if any(l.own > l.credited for l in members):
                more = min(max(given, min(left, 0)), max(left, 0)) - given
            else:
                more = left - given
            others = [l for l in lines if group_of(l) == group and not l.amends and l.own > 0]
            for line, moved in [(giving[-1], -more), *[(l, more) for l in sorted(others, key=lambda l: -l.own)[:1]]]:
                line.vat += moved
                line.net -= moved if inclusive else 0

    # ------------------------------------------------------------ credit notes by hand

    def credit(self, step):
        """By line, or all that is left; gross where the plan's prices are (M3, M4, I7). Tells whether it is done."""
        invoice = self.invoices[step["invoice"] - 1]
        left = [max(0, l.own - l.credited) for l in invoice.lines]
        taken = [0 if "lines" in step else l for l in left]
        for chosen in step.get("lines", []):
            n = chosen["line"] - 1
            taken[n] = minor(F(chosen["amount"]), invoice.currency) if "amount" in chosen else left[n]
        if not any(taken) or any(t > l for t, l in zip(taken, left)):
            return False
        groups = {}
        for n, line in enumerate(invoice.lines):
            groups.setdefault(tax_of(line.spec, line.taxdate, self.book.get("taxrules", [])), []).append(n)
        note = []
        for (_, pct), members in groups.items():
            sums = [sum(taken[n] for n in members), sum(left[n] for n in members)]
            if sums[0]:
                lines = [invoice.lines[n] for n in members]
                note += self.give_group(lines, [taken[n] for n in members], sums[0] == sums[1], pct / 100, invoice)
        made = Invoice(note, invoice.currency, invoice.inclusive, hand=True)
        made.payer, made.date = invoice.payer, day_of(step["on"])
        self.invoices.append(made)
        self.till.credit(made, invoice)
        return True

    @staticmethod
    def give_group(lines, taken, is_rest, rate, invoice):
        """The lines of a note in one (category, rate): VAT of the group, at most what is left of it, and all of that if
        nothing else is (M3)."""
        total = sum(taken)
        vat_left = sum(l.vat - l.vat_credited for l in lines)
        exact = F(total) * (rate / (1 + rate) if invoice.inclusive else rate)
        if invoice.inclusive:
            vat = total - minor(major(total, invoice.currency) / (1 + rate), invoice.currency)
        else:
            vat = minor(major(exact, invoice.currency), invoice.currency)
        vat = vat_left if is_rest else min(vat_left, vat)
        net = total - vat if invoice.inclusive else total
        nets = [-n for n in allot(-net, [F(-net * t, total) for t in taken])]
        vats = [t - n for t, n in zip(taken, nets)] if invoice.inclusive else allot(vat, [F(vat * t, total) for t in taken])
        note = []
        for line, own, net, vat in zip(lines, taken, nets, vats):
            line.credited += own
            line.net_credited += net
            line.vat_credited += vat
            copy = Line(line.served, line.spec, line.first, line.end, -own, CREDIT, line.taxdate, line)
            copy.net, copy.vat, copy.given = -net, -vat, [(line, net + vat)]
            note += [copy] * (own != 0)
        return note

    # ------------------------------------------------------------ a scenario

    def step(self, step):
        """Plays a step; tells whether it is done."""
        on = day_of(step["on"])
        if "ingest" in step:
            self.ingest(step["ingest"])
        elif "run" in step:
            self.run(on)
        elif "subscription" in step:
            return self.subscriptions[step["subscription"]].act(on, step)
        elif "discount" in step:
            level = next(k for k in ("customer", "subscription") if k in step)
            self.apply(level, step[level], step["discount"] if step["do"] == "apply" else None, on)
        elif "payments" in step:
            self.till.morning(on, again=True)
        else:
            return step["invoice"] <= len(self.invoices) and self.on_invoice(on, step)
        return True

    def on_invoice(self, on, step):
        invoice = self.invoices[step["invoice"] - 1]
        if step["do"] == "credit":
            return self.credit(step)
        if step["do"] == "markpaid":
            amount = minor(F(step["amount"]), invoice.currency) if "amount" in step else None
            return self.till.mark_paid(invoice, on, amount)
        if step["do"] == "refund":
            return self.till.refund(invoice, on)
        if step["do"] == "recharge":
            return self.till.recharge(invoice, on)
        return self.till.write_off(invoice)


def play(scenario):
    """The documents of a scenario, and which of its steps are done."""
    world = World(scenario["book"])
    done = [world.step(step) for step in scenario["timeline"]]
    return world, done


if __name__ == "__main__":
    for text in sys.stdin:
        if text.strip():
            scenario = json.loads(text)
            world, done = play(scenario)
            print(scenario["name"], done)
            for invoice in world.invoices:
                print("   ", json.dumps(invoice.told()))
