"""What is paid, set off, given up and paid back, and what dunning does (rules Y, I5, I7, I8)."""

from datetime import timedelta

from rules import minor

LADDER = [{"days": days, "action": "retry"} for days in (0, 1, 3, 5, 8, 13)]
CHARGES = ("retry", "other_method")
# What the sandbox does with a token, after so many soft declines of the invoice by the same method.
PAYS = {"tok_ok": lambda soft: True, "tok_ok_fee": lambda soft: True, "tok_ok_after_2": lambda soft: soft >= 2}
FOR_GOOD = ("tok_hard_decline", "tok_expired")


def given_back(note, invoice):
    """Gross that a note gives back of the lines of an invoice."""
    return sum(gross for line in note.lines for old, gross in line.given if old.document is invoice)


class Till:
    def __init__(self, world):
        self.world, self.moves = world, []
        self.mornings, self.refused, self.sequences, self.asked = set(), set(), {}, {}

    # ------------------------------------------------------------ documents

    def number(self, document):
        """Numbers in the order of booking, in a series for each kind (I5)."""
        series = "CN" if document.gross < 0 else "INV"
        sequence = self.sequences[series] = self.sequences.get(series, 0) + 1
        document.age = (document.date, series, sequence)
        document.open, document.received = document.gross, 0
        document.kept = document.credited = document.given_up = 0
        document.dunned, document.steps, document.last, document.tried = False, 0, None, []
        methods = self.world.customers[document.payer].get("paymentmethods", [])
        document.method = next((m["refkey"] for m in methods if m.get("makedefault")), None)

    def book(self, made, day):
        """Sets off what payers have to their credit before anything is collected (I8, Y5); then the first attempts (Y3)."""
        for document in made:
            self.number(document)
        for document in made:
            self.meet_write_offs(document)
        for payer in sorted({document.payer for document in made}, key=str):
            self.set_off(payer)
        for document in made:
            if document.open > 0:
                self.first_attempt(document, day)

    def first_attempt(self, document, day):
        policy = self.policy(document)
        method = self.choose(document)
        document.dunned = method is not None or policy.get("manual", False)
        if method is None:
            return
        if method and self.waits(document, method, day):
            return
        document.last = day
        if method:
            steps = policy["steps"]  # a step that falls on the day of this attempt is this attempt
            while document.steps < len(steps) and steps[document.steps]["action"] in CHARGES and \
                    document.due + timedelta(steps[document.steps]["days"]) <= day:
                document.steps += 1
            self.charge(document, method, day)

    def settle(self, document, amount, by="set off"):
        """So much settles a document; below zero it undoes. A payment or refund moves money; a credit note on the invoice
        itself, and what is given up, bring none."""
        document.open -= amount
        document.received += amount * (by != "given up")
        document.kept += amount * (by == "money")
        document.credited += amount * (by == "credit")
        document.given_up += amount * (by == "given up")

    def take_back(self, invoice):
        """What was given up and comes after all is no loss any more, and no credit of the payer (Y5)."""
        amount = min(-invoice.open, invoice.given_up)
        if amount > 0:
            self.settle(invoice, -amount, "given up")

    def meet_write_offs(self, note):
        """A note meets what was given up of the invoices that it credits before it goes to others (Y5)."""
        for invoice in sorted(set(note.credits), key=lambda d: d.age) if note.gross < 0 else []:
            amount = min(given_back(note, invoice) - max(invoice.open, 0), invoice.given_up, -note.open)
            if amount > 0:
                self.pair(note, invoice, amount)
                self.take_back(invoice)

    def set_off(self, payer):
        """Credit goes to the payer's oldest open invoices, the oldest first (I8)."""
        own = sorted((d for d in self.world.invoices if d.payer == payer), key=lambda d: d.age)
        for currency in {d.currency for d in own}:
            owed = [d for d in own if d.currency == currency and d.open > 0]
            for credit in [d for d in own if d.currency == currency and d.open < 0]:
                for invoice in owed:
                    self.pair(credit, invoice)

    def pair(self, credit, invoice, amount=None):
        amount = min(-credit.open, invoice.open) if amount is None else amount
        if amount > 0:
            own = max(0, min(amount, given_back(credit, invoice)))
            self.settle(invoice, own, "credit")
            self.settle(invoice, amount - own)
            self.settle(credit, -amount)

    def credit(self, note, invoice):
        """A note reduces its own invoice first (I7)."""
        self.number(note)
        self.pair(note, invoice)
        self.meet_write_offs(note)
        self.set_off(note.payer)

    # ------------------------------------------------------------ money

    def received(self, document):
        """What was paid on the invoices that a document concerns, less what went back (Y5)."""
        concerned = document.credits if document.gross < 0 else [document]
        if not concerned:
            return None
        named = [d for d in self.world.invoices if d is document or d in concerned or (d.gross < 0 and set(d.credits) & set(concerned))]
        own = [d for d in self.world.invoices if (d.payer, d.currency) == (document.payer, document.currency)]
        kept = sum(d.kept - (min(d.gross, 0) if not d.credits else 0) for d in own)  # what nobody was charged for is the payer's
        return min(sum(d.received for d in named), kept)

    def refund(self, document, day):
        """Pays back what is owed on a document, and never more than was paid (Y5)."""
        paid = self.received(document)
        amount = -document.open if paid is None else min(-document.open, paid)
        if amount <= 0:
            return False
        self.settle(document, -amount, "money")
        self.moves.append((day, "refunded", amount))
        return True

    def mark_paid(self, invoice, day, amount):
        """A payment that came by itself; more than is open is the payer's (Y5)."""
        if invoice.gross < 0 or (amount is None and invoice.open <= 0):
            return False
        amount = invoice.open if amount is None else amount
        self.moves.append((day, "marked", amount))
        self.settle(invoice, amount, "money")
        self.take_back(invoice)
        self.set_off(invoice.payer)
        return True

    def write_off(self, invoice):
        if invoice.open <= 0:
            return False
        self.settle(invoice, invoice.open, "given up")
        return True

    def recharge(self, invoice, day):
        """An attempt that a person asks for; a method that was declined for good may be tried once more (Y4)."""
        method = self.choose(invoice, by_hand=True)
        if invoice.open <= 0 or method is None:
            return False
        if not self.capped(invoice.payer, method, day):
            self.charge(invoice, method, day)
            invoice.last, invoice.dunned = day, True
        return True

    # ------------------------------------------------------------ charging

    def choose(self, invoice, other=False, by_hand=False):
        """The method to be charged; none if the payer has none online, and False if none may be tried (Y2)."""
        methods = self.world.customers[invoice.payer].get("paymentmethods", [])
        last = invoice.tried[-1][0] if invoice.tried else None
        order = [m for m in methods if m["refkey"] != last] if other else []
        order += [m for m in methods if m["refkey"] == invoice.method]
        order += [m for m in methods if m.get("makedefault")][:1]
        online = [m for m in order if "token" in m]
        usable = [m for m in online if by_hand or (invoice.payer, m["refkey"], m["token"]) not in self.refused]
        return usable[0] if usable else False if online else None

    def capped(self, payer, method, day):
        """The day from which the card schemes allow another attempt, if they do not today (Y2)."""
        days = sorted((d for d in self.asked.get((payer, method["refkey"]), []) if d > day - timedelta(30)), reverse=True)
        until = [days[19] + timedelta(30)] if len(days) >= 20 else []
        return max(until + [day + timedelta(1)] * (days.count(day) >= 10), default=None)

    def waits(self, invoice, method, day):
        """Whether a charge is put off by the caps."""
        until = self.capped(invoice.payer, method, day)
        if until:
            invoice.last = until - timedelta(1)
        return until

    def charge(self, invoice, method, day):
        name, token = method["refkey"], method["token"]
        self.asked.setdefault((invoice.payer, name), []).append(day)
        soft = invoice.tried.count((name, "soft"))
        if PAYS.get(token, lambda soft: False)(soft):
            self.moves.append((day, "paid", invoice.open))
            invoice.tried.append((name, "paid"))
            self.settle(invoice, invoice.open, "money")
            return
        self.moves.append((day, "declined", invoice.open))
        invoice.tried.append((name, "soft" if token not in FOR_GOOD else "hard"))
        if token in FOR_GOOD:
            self.refused.add((invoice.payer, name, token))

    # ------------------------------------------------------------ dunning

    def policy(self, invoice):
        """The one that the plans of all lines name, else the default (Y3)."""
        policies = self.world.book.get("dunningpolicies", [])
        named = {line.served.sub.world.plans[line.plan].get("dunningpolicy") for line in invoice.lines}
        name = named.pop() if len(named) == 1 else None
        found = [p for p in policies if p["refkey"] == name] or [p for p in policies if p.get("default")]
        return found[0] if found else {"steps": LADDER}

    def morning(self, day, again=False):
        """One step for each invoice that is not paid and due for one; with a run once a day (Y3)."""
        if day in self.mornings and not again:
            return
        self.mornings.add(day)
        coming = []
        for invoice in self.world.invoices:
            steps = self.policy(invoice)["steps"]
            if not invoice.dunned or invoice.open <= 0 or invoice.steps >= len(steps):
                continue
            if (invoice.last is None or day > invoice.last) and invoice.due + timedelta(steps[invoice.steps]["days"]) <= day:
                coming.append((steps[invoice.steps]["action"], invoice))
        for action, invoice in sorted(coming, key=lambda c: CHARGES.index(c[0]) if c[0] in CHARGES else 9):
            self.take(invoice, action, day)

    def take(self, invoice, action, day):
        if action in CHARGES:
            method = self.choose(invoice, action == "other_method")
            if method and self.waits(invoice, method, day):
                return
            invoice.steps += 1
            if method:
                self.charge(invoice, method, day)
            if method is not None:  # a payer without a method is passed by
                invoice.last = day
            return
        invoice.steps, invoice.last = invoice.steps + 1, day
        if action == "write_off":
            self.write_off(invoice)
        for sub in {line.served.sub.number: line.served.sub for line in invoice.lines}.values():
            if action in ("hold", "cancel", "expire") and sub.end > day and (action != "hold" or sub.serves):
                sub.act(day, {"do": action, "option": "immediately"})

    # ------------------------------------------------------------ what is compared

    def told(self):
        """Every movement of money, and what is open of each document and the state that it reads (I4)."""
        moves = sorted([day.isoformat(), what, amount] for day, what, amount in self.moves)
        return moves, sorted([d.gross, d.open, self.state(d)] for d in self.world.invoices if d.gross or d.open)

    @staticmethod
    def state(document):
        if document.open and document.gross and (document.open > 0) == (document.gross > 0):
            return "open"
        if document.gross <= 0 or document.open:
            return "paid"
        if document.given_up:
            return "written_off"
        return "credited" if document.credited == document.gross else "paid"
