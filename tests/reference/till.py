"""What is paid, set off, given up and paid back, and what dunning does (rules Y, I7, I8)."""

from datetime import timedelta
from fractions import Fraction as F

from rules import day_of, minor

LADDER = [{"days": days, "action": "retry"} for days in (0, 1, 3, 5, 8, 13)]


class Till:
    def __init__(self, world):
        self.world, self.moves = world, []
        self.owed = {}  # what a payer has to its credit, by (payer, currency): [document, amount], oldest first
        self.received = {}  # by payer, less what was paid back
        self.mornings, self.refused, self.declines = set(), set(), {}

    def method(self, invoice):
        for method in self.world.customers[invoice.payer].get("paymentmethods", []):
            if method.get("makedefault") and method["token"] not in self.refused:
                return method["token"]
        return None

    # ------------------------------------------------------------ documents

    def book(self, invoice, day):
        """Sets off what the payer has to its credit before anything is collected (I8, Y5)."""
        invoice.open = max(0, invoice.gross)
        key = invoice.payer, invoice.currency
        if invoice.gross < 0:
            self.give(key, invoice, -invoice.gross)
            return
        for credit in self.owed.get(key, []):
            taken = min(invoice.open, credit[1])
            invoice.open -= taken
            credit[1] -= taken
        invoice.steps, invoice.tried = 0, None
        if invoice.open:
            invoice.tried = self.attempt(invoice, day)

    def give(self, key, source, amount):
        """Credit goes to the payer's oldest open invoices; the rest is kept (I8)."""
        for invoice in self.world.invoices:
            if (invoice.payer, invoice.currency) == key and amount and invoice.open:
                taken = min(invoice.open, amount)
                invoice.open -= taken
                amount -= taken
        self.owed.setdefault(key, []).append([source, amount])

    def credit(self, note, invoice):
        """A note reduces its own invoice first (I7)."""
        note.origin = invoice
        taken = min(invoice.open, -note.gross)
        invoice.open -= taken
        self.give((note.payer, note.currency), note, -note.gross - taken)

    def refund(self, note, day):
        """Pays back what is owed on a note, and never more than was paid (Y5)."""
        if not note.hand:
            return False
        credit = next(c for c in self.owed[note.payer, note.currency] if c[0] is note)
        amount = min(credit[1], self.received.get(note.payer, 0))
        if not amount:
            return False
        credit[1] -= amount
        self.received[note.payer] -= amount
        self.moves.append((day, "refunded", amount))
        return True

    # ------------------------------------------------------------ money in

    def receive(self, invoice, amount):
        self.received[invoice.payer] = self.received.get(invoice.payer, 0) + amount

    def attempt(self, invoice, day):
        """Charges the payer's method; tells the day, if there is one."""
        token = self.method(invoice)
        if not token:
            return None
        soft = self.declines.get(id(invoice), 0)
        if token == "tok_ok" or (token == "tok_ok_after_2" and soft >= 2):
            self.moves.append((day, "paid", invoice.open))
            self.receive(invoice, invoice.open)
            invoice.open = 0
            return day
        self.moves.append((day, "declined", invoice.open))
        self.declines[id(invoice)] = soft + 1
        if token == "tok_hard_decline":
            self.refused.add(token)
        return day

    def mark_paid(self, invoice, day, amount):
        """A payment that came by itself; more than is open is the payer's (Y5)."""
        if amount is None and not invoice.open:
            return False
        amount = invoice.open if amount is None else amount
        self.moves.append((day, "marked", amount))
        self.receive(invoice, amount)
        taken = min(amount, invoice.open)
        invoice.open -= taken
        self.give((invoice.payer, invoice.currency), invoice, amount - taken)
        return True

    def write_off(self, invoice):
        if not invoice.open:
            return False
        invoice.open = 0
        return True

    # ------------------------------------------------------------ dunning

    def told(self):
        """Every movement of money, and what is open of each invoice."""
        moves = sorted([day.isoformat(), what, amount] for day, what, amount in self.moves)
        return moves, sorted([i.gross, i.open] for i in self.world.invoices if i.gross > 0)

    def policy(self, invoice):
        policies = self.world.book.get("dunningpolicies", [])
        return next((p["steps"] for p in policies if p.get("default")), LADDER)

    def morning(self, day):
        """One step for each invoice that is overdue, once a day (Y3)."""
        if day in self.mornings:
            return
        self.mornings.add(day)
        for invoice in list(self.world.invoices):
            if invoice.hand or not invoice.open:
                continue
            steps = self.policy(invoice)
            while invoice.steps < len(steps):
                step = steps[invoice.steps]
                falls = invoice.due + timedelta(step["days"])
                if falls > day:
                    break
                invoice.steps += 1
                if step["action"] == "retry" and invoice.tried is not None and falls <= invoice.tried:
                    continue  # that was the attempt at booking
                self.take(invoice, step["action"], day)
                break

    def take(self, invoice, action, day):
        if action == "retry":
            self.attempt(invoice, day)
        elif action == "write_off":
            self.write_off(invoice)
        elif action in ("hold", "cancel", "expire"):
            for sub in {line.served.sub.number: line.served.sub for line in invoice.lines}.values():
                if action == "hold" and not sub.serves:
                    continue
                sub.act(day, {"do": action, "option": "immediately"})
