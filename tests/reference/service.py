"""What a subscription owes, day by day: its charges, and what the acts of its life do to them (rules S, R, T).

A day is played in the order of T7: what has ended is closed first, as an act of the first day leaves the period that
has ended alone (R3); then the acts of the day; then the charges that are due. A run that comes late plays the days that
it missed one by one, so it makes what the runs of those days would have made (T6)."""

from datetime import date, timedelta
from fractions import Fraction as F

from rules import Line, Rhythm, in_force, part

DAY = timedelta(1)
REGULAR, CREDIT, CHANGE, LATE, TRUE_UP = range(5)
NEVER = date.max


class Period:
    """A period in advance that is billed, or one in arrears. Values are of the full period, before discounts."""

    def __init__(self, first, end, full, begins, custom=False):
        self.first, self.end, self.full, self.begins = first, end, full, begins
        self.custom = custom  # a price that is never prorated (R1)
        self.charged_to = end  # the end that was billed
        self.parts, self.past = [], []  # in arrears: (from, value, spec, quantity), and what they were before a day's change
        self.value, self.off, self.granted, self.line = F(0), F(0), 0, None
        self.on, self.spec, self.caught = True, None, None

    def cease(self, end):
        """Ends the period; what changes on that day or later is not of it."""
        self.end = min(self.end, max(end, self.first))
        while self.past and self.past[-1][0] >= self.end:
            self.parts = self.past.pop()[1]

    def cut(self, value, off, start, end, currency):
        """[start, end) at a value, less the discount of the day or what a fixed one granted (R2, R3, M5)."""
        net = value * (1 - off)
        if self.custom:
            return part(max(F(0), net - self.granted), currency, start, end, (start, end))
        if self.granted:
            days = F((self.charged_to - self.first).days, (self.full[1] - self.full[0]).days)
            net = max(F(0), net - self.granted / days)
        return part(net, currency, start, end, self.full, self.begins)

    def share(self, start, end, currency):
        """[start, end) of what was paid: of a price that is never prorated the share of the days that it paid (S4)."""
        if not self.custom:
            return self.cut(self.value, self.off, start, end, currency)
        net = max(F(0), self.value * (1 - self.off) - self.granted)
        return part(net, currency, start, end, (self.first, self.charged_to), self.first)


class Window(Period):
    """A period of a usage charge: rated by what is stored when a run bills it, and again when usage comes late (Q5)."""

    def __init__(self, spec, first, end, full, begins):
        super().__init__(first, end, full, begins)
        self.spec = spec
        self.booked = {}  # by group: [value less granted as billed, lines]


class Served:
    """A charge of a subscription, known by its reference through switches (S5)."""

    def __init__(self, sub, spec, start, order, anchor=None):
        self.sub, self.spec, self.start, self.order = sub, spec, start, order
        self.quantity = F(spec.get("defaultamount", "1"))
        self.own_price, self.on, self.end = [], True, NEVER  # own prices: (since, price, plan's charge)
        self.rhythm = None if spec["chargetype"] == "one_time" else Rhythm(spec, anchor or start)
        self.next = start  # the first day that no period holds yet
        self.moved = None  # a charge date set by hand
        self.fired, self.once = False, None
        self.paid, self.open, self.closed = [], None, []
        self.retaken = None  # a new period, as a hold has ended, whose days may be paid: (first, end)
        self.began = {}  # the first charged day of a full period, whatever rhythm it is of (R2)

    @property
    def arrears(self):
        return self.spec.get("billingperiodalignment") == "period_end"

    @property
    def metered(self):
        return self.spec["chargetype"] == "usage"

    def value(self, day, on=True, spec=None, quantity=None):
        """The exact amount of a full period at what is agreed now and the prices of a day (P1, P4, P9)."""
        quantity = self.quantity if quantity is None else quantity
        if quantity <= 0 or not on:
            return F(0)
        spec = spec or self.spec
        known = [price for since, price, plan in self.own_price if plan is spec and (since <= day or self.arrears)]
        if spec["pricingmodel"] == "custom":  # it has no other price, and keeps it through switches
            known = [price for since, price, _ in self.own_price if since <= day or self.arrears]
        unit = known[-1] if known else None
        if unit is None:
            unit = F(in_force(spec["pricings"], day)[0]["price"])
        return unit if spec["pricingmodel"] in ("flat", "custom") else unit * quantity

    def next_period(self):
        """(first, end, full, first charged day) of the period that holds `next`."""
        first, end, full = self.rhythm.holding(self.next)
        first = max(first, self.next)
        return first, end, full, self.began.setdefault(full, first)

    def opens(self, period):
        """Whether a period is no rest of one, but where its rhythm begins it."""
        return period.first == max(period.begins, self.rhythm.start)

    def anew(self, spec, day):
        """A rhythm from a day on. A full period that the old one has too goes on if days of it are charged (R2): skipped or
        given back whole it is not."""
        if not (self.arrears or self.metered):
            charged = {p.full for p in self.paid if p.first < p.end}
            self.began = {full: first for full, first in self.began.items() if full in charged}
        self.rhythm, self.moved = Rhythm(spec, day), None

    @property
    def custom(self):
        return self.spec["pricingmodel"] == "custom"

    # ------------------------------------------------------------ charging

    def close(self, day):
        """Lines of what has ended by a day, in arrears."""
        if self.open is None or self.open.end > day:
            return
        ended, self.open = self.open, None
        if ended.end <= ended.first:
            self.next = ended.first
            if self.began.get(ended.full) == ended.first:
                del self.began[ended.full]
            return
        self.next = ended.end
        if self.metered:
            self.closed.append(ended)
            yield from self.sub.world.rate(self, ended, day)
            return
        if self.on:
            yield from ((day, line) for line in self.in_arrears(ended))

    def in_arrears(self, period):
        """A regular line, then credit and charge for each change that is prorated (R3)."""
        period.charged_to = period.end
        taxdate = period.end - DAY
        off = self.sub.off(self, taxdate)
        cut = lambda value, start: period.cut(value, off, start, period.end, self.sub.currency)
        (first, value, spec, _), *changed = period.parts
        line = Line(self, spec, first, period.end, cut(value, first), REGULAR, taxdate, None)
        line.period = period
        if value > 0:
            yield line
        for start, new, spec, _ in changed:  # their amounts wait for what a fixed discount grants the regular line
            credit = Line(self, line.spec, start, period.end, 0, CREDIT, taxdate, line)
            credit.amount = lambda value=value, start=start: -cut(value, start)
            yield credit
            line, value = Line(self, spec, start, period.end, 0, CHANGE, taxdate, None), new
            line.amount = lambda value=value, start=start: cut(value, start)
            yield line

    def begin(self, day, before=NEVER):
        """What is due or begins on a day: charges in advance, one-time charges, the next period in arrears. Periods that
        begin on or after a day are left alone."""
        if self.spec["chargetype"] == "one_time":
            served = self.sub.serves or self.sub.held == self.start  # a hold of its own day takes nothing from it (S4)
            if not self.fired and self.start <= day and served and self.on_service(self.start):
                self.fired = True
                value = self.value(self.start, self.on)
                if value > 0:
                    net = part(value * (1 - self.sub.off(self, self.start)), self.sub.currency, self.start,
                               self.start + DAY, (self.start, self.start + DAY))
                    self.once = Line(self, self.spec, self.start, self.start + DAY, net, REGULAR, self.start, None)
                    yield day, self.once
            return
        if self.retaken and self.next >= self.retaken[1] and self.sub.serves and self.on_service(self.retaken[0]):
            self.take_again(day)  # with the new period, also as it is skipped
        while self.sub.serves and self.on_service(self.next) and self.next < before:
            first, end, full, begins = self.next_period()
            if self.arrears or self.metered:
                if self.open is not None or first > day:
                    return
                end = min(end, self.end, self.sub.end_of(self))
                self.open = (Window(self.spec, first, end, full, begins) if self.metered
                             else Period(first, end, full, begins, self.custom))
                if not self.metered:
                    self.open.parts = [(first, self.value(first), self.spec, self.quantity)]
                yield from self.close(day)
                continue
            if (self.moved or first) > day:
                return
            end = min(end, self.end, self.sub.end)
            self.next, self.moved = end, None
            self.take_again(day)
            line = self.pay(Period(first, end, full, begins, self.custom))
            if line.period.value > 0:
                yield day, line

    def pay(self, period):
        """The regular line of a period in advance. The rest of one that was billed as a stub, as its end was known, is
        granted no fixed discount again: it keeps what it was granted (M5)."""
        first = period.first
        period.on, period.spec = self.on, self.spec
        period.value, period.off = self.value(first, self.on), self.sub.off(self, first)
        net = period.cut(period.value, period.off, first, period.end, self.sub.currency)
        kind = REGULAR if self.opens(period) else CHANGE
        period.line = Line(self, self.spec, first, period.end, net, kind, first, None)
        period.line.period = period
        self.paid.append(period)
        return period.line

    def next_charge(self, day):
        """The first charge date after a day, so that it does not matter whether that day's run came before."""
        end = self.rhythm.holding(day)[1]
        if self.arrears or self.next <= day:
            return end
        return self.moved if self.moved and self.moved > day else self.next

    def on_service(self, day):
        return day < min(self.end, self.sub.end_of(self))

    # ------------------------------------------------------------ acts

    def take_again(self, day):
        """No day is paid twice: what was paid goes back with the period that takes it (S4)."""
        if self.retaken:
            (start, until), self.retaken = self.retaken, None
            self.give_back(start, day, until, retaken=True)

    def give_back(self, day, due, until=NEVER, retaken=False):
        """What is paid for the days from one on (R4). Those that another period takes are given back of every price."""
        for period in self.paid:
            start, end = max(day, period.first), min(period.end, until)
            if start < end and period.line and (retaken or not (period.custom and start > period.first)):
                wanted = period.cut(period.value, period.off, start, end, self.sub.currency)
                if retaken:
                    wanted = period.share(start, end, self.sub.currency)
                line = Line(self, period.line.spec, start, end, -wanted, CREDIT, period.line.taxdate, period.line)
                self.sub.owe(due, line)
                if end == period.end:
                    period.end = start

    def change(self, day, apply, prorate=None, switched=False, priced=False):
        """A quantity, price, toggle or plan from a day on; `prorate` is what the verb says (R3, R4). What is paid keeps
        its plan until the switch takes effect."""
        apply()
        if self.metered or self.spec["chargetype"] == "one_time":
            return
        handle = self.sub.plan.get("changehandle", 0)
        if self.arrears:
            if self.open is not None and self.open.end > day:
                if priced and day > self.open.first:
                    self.reprice(day)
                else:
                    self.change_open(day, handle, prorate)
            return
        for period in self.paid:
            caught = period.caught == day and not switched
            if (period.end <= day or self.retaken) and not caught:
                continue
            start = max(day, period.first)
            whole = start == period.first or caught  # the quantity on the charge date bills it (R3)
            start = period.first if whole else start
            is_begin = caught or whole and self.opens(period)
            on = self.on if is_begin else period.on  # off or on is for whole periods
            spec = self.spec if switched else period.spec
            value = self.value(period.first, on, spec)
            if value == period.value:
                period.on, period.spec = on, spec
                continue
            if not whole and period.custom:
                continue
            if whole or prorate or (prorate is None and handle > 0 and value > period.value):
                due = period.end if handle == 2 and not whole else day
                period.on, period.spec = on, spec
                self.replace(period, start, value, day, due)

    def replace(self, period, start, value, day, due):
        """Credit and charge of the rest of a paid period (R3)."""
        cut = lambda v, off: period.cut(v, off, start, period.end, self.sub.currency)
        old = period.line
        if period.caught == day and any(line is old for _, line in self.sub.owed):  # no run has billed it yet
            period.value, period.off = value, self.sub.off(self, start)
            old.spec, old.own = period.spec, cut(value, period.off)
            return
        self.sub.owe(due, Line(self, old.spec, start, period.end, -cut(period.value, period.off), CREDIT, old.taxdate, old))
        period.value, period.off = value, self.sub.off(self, start)
        period.line = Line(self, period.spec, start, period.end, cut(value, period.off), CHANGE, start, None)
        self.sub.owe(due, period.line)

    def reprice(self, day):
        """A price is never prorated: in arrears that of the end bills the period, whatever quantity its days have. Being off
        is told at the end."""
        period = self.open
        period.past.append((day, list(period.parts)))
        period.parts = [(start, self.value(period.first, True, spec, quantity), spec, quantity)
                        for start, _, spec, quantity in period.parts]

    def change_open(self, day, handle, prorate):
        """In arrears what is in force at the end bills the period, unless the change is prorated (R3)."""
        period = self.open
        now = (self.value(period.first), self.spec, self.quantity)
        value, (start, before, *_) = now[0], period.parts[-1]
        period.past.append((day, list(period.parts)))
        if day <= period.first:
            period.parts = [(period.first, *now)]
        elif value == before:
            period.parts[-1] = (start, *now)
        elif prorate is False or (handle == 0 and not prorate):
            period.parts[-1] = (start, *now)
        elif (value > before or prorate) and not period.custom:
            period.parts.append((day, *now))

    def shorten(self, day):
        """What the resume of the day made due, and no run has billed, is for the days before it, if service ends or rests on
        that very day."""
        for period in [p for p in self.paid if p.caught == day and p.first < day < p.end]:
            if any(line is period.line for _, line in self.sub.owed):
                period.end = period.charged_to = period.line.end = self.next = day
                period.line.own = period.cut(period.value, period.off, period.first, day, self.sub.currency)

    def hold(self, day, refund):
        """Closes what is in arrears with a stub; what is paid stays, unless asked (S4, R4). What was put off is due for
        the days served."""
        if refund:
            self.give_back(day, day)
            if self.paid:
                self.next = min(self.next, max(day, self.start))
        self.shorten(day)
        if self.moved and self.next < day:
            first, _, full, begins = self.next_period()
            due, self.moved, self.next = self.moved, None, day
            self.sub.owe(due, self.pay(Period(first, day, full, begins, self.custom)))
        if self.open is not None:
            self.open.cease(day)

    def resume(self, day, held, option):
        if self.rhythm is None:  # what falls into a hold waits for its end
            if self.start > held and option != "from_hold_date":
                self.start = max(self.start, day)
            return
        postpaid = self.arrears or self.metered
        if option == "from_hold_date":  # what was held is due now, at what was agreed then
            known = len(self.paid)
            for due, line in self.begin(day, day):
                self.sub.owe(due, line)
            for period in self.paid[known:]:
                period.caught = day
            return
        if option == "next_period":
            first, end, _ = self.rhythm.holding(day)
            follows = day if postpaid or first == day else end
            self.next = max(self.next, follows)
            return
        self.anew(self.spec, day)
        _, end, full = self.rhythm.holding(day)
        paid = [p for p in self.paid if p.first == day < p.end and p.full == full]  # the new period is the one that is paid
        self.next = paid[-1].end if paid else day
        self.retaken = None if paid or postpaid else (day, end)

    def switch(self, day, spec, prorate):
        """The charge of the new plan that has the same anchor code. In arrears each plan bills the days that it served,
        unless nothing is prorated; another period length starts a new rhythm on the day (S2)."""
        same = all(self.spec.get(k) == spec.get(k) for k in ("billingperiod", "billingperiodinterval", "billingday"))
        prorated = prorate or (prorate is None and self.sub.plan.get("changehandle", 0) > 0)
        if not same or self.metered or (self.arrears and prorated):
            if self.open is not None:
                self.open.cease(day)
            for due, line in self.close(day):
                self.sub.owe(due, line)

        def apply():
            self.spec = spec
        if same:
            self.change(day, apply, prorate, True)
            return
        apply()
        if self.rhythm is not None and not self.metered:
            self.give_back(day, day)
        self.anew(spec, day)
        self.next = day

    def finish(self, day, refund):
        """The end of the charge."""
        self.end = min(self.end, day)
        if self.open is not None:
            self.open.cease(day)
        self.shorten(day)
        if refund:
            self.give_back(day, day)
            if self.once and self.start == day:  # it ends on its very day
                line = Line(self, self.once.spec, day, day + DAY, -self.once.own, CREDIT, day, self.once)
                self.sub.owe(day, line)
