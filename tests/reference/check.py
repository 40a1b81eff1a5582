"""Compares the program with the rules, scenario by scenario:

    python3 check.py PROGRAM FIRST COUNT

Every document of `simulate` must be that of the reference, line by line, and the answer must keep the invariants. Ends with
1 if there is any difference."""

import json
import os
import subprocess
import sys
from collections import Counter
from fractions import Fraction as F
from multiprocessing import Pool
from pathlib import Path

import scenarios
from engine import play
from invariants import broken, money
from rules import DECIMALS

CHUNK = 250
SHOWN = int(os.environ.get("SHOWN", "20"))


def is_nothing(line):
    return not any(c in "123456789" for c in line[3] + line[4])


def without_opposites(lines):
    """Credit and charge of the same days that come to nothing need not be told."""
    left = Counter(tuple(line[:4]) for line in lines)
    opposite = lambda line: (*line[:3], line[3][1:] if line[3].startswith("-") else "-" + line[3])
    return [line for line in lines if not left[opposite(line)]]


def told(documents, gross):
    """Documents without lines of nothing, in any order. How VAT is spread over the lines of a document that gives
    something back is left open: its lines are told by what the plan's prices are, net or gross."""
    amount = lambda line: str(F(line[3]) + F(line[4])) if gross else line[3]
    kept = []
    for total, vat, lines in documents:
        lines = without_opposites(lines)
        gives = any(line[3].startswith("-") for line in lines)
        lines = sorted([*line[:3], amount(line)] if gives else line for line in lines if not is_nothing(line))
        if lines:
            kept.append(json.dumps([total, vat, lines]))
    return sorted(kept)


def expected(world):
    documents = [i.told() for i in world.invoices]
    return told([(d["Total"], d["TotalVat"], d["lines"]) for d in documents], world.gross)


def answered(answer, gross):
    names = ("SKU", "PeriodStart", "PeriodEnd", "SubTotal", "TotalVat")
    return told([(i["Total"], i["TotalVat"], [[line[n] or "" for n in names] for line in i["InvoiceLines"]])
                 for i in answer["invoices"]], gross)


RECEIVABLE = "1100"
KINDS = {(1, 8): "paid", (8, 32): "declined", (32, 8): "marked", (1, 16): "refunded", (32, 16): "refunded"}


def paid(world, answer):
    """What moved, and how far each invoice is settled, where the program says otherwise."""
    scale = lambda entry: 10 ** DECIMALS[entry["CurrencyCode"]]
    amount = lambda entry: int(F(entry["TotalAmount"]) * scale(entry))
    said = sorted([t["Date"], KINDS.get((t["StateCode"], t["Type"])), amount(t)] for t in answer["transactions"])
    moves, opened = world.till.told()
    if said != moves:
        return f"the rules move {moves}, the program {said}"
    ours = sorted([gross, state(gross, left), word, PAYMENT.get(word)] for gross, left, word in opened)
    theirs = sorted([amount(i), i["SettlementStatus"], *told_state(i)] for i in answer["invoices"]
                    if amount(i) or i["SettlementStatus"] != 4)
    if ours != theirs:
        return f"the rules settle {ours}, the program {theirs}"
    return receivable(answer, sum(left for _, left, _ in opened))


PAYMENT = {"paid": 20, "credited": 50, "written_off": 1024}


def told_state(invoice):
    """The word of a closed document and its payment status; what is overdue or declined is open."""
    word = invoice["State"]
    return (word, invoice["PaymentStatus"]) if word in PAYMENT else ("open", None)


def state(gross, left):
    """How far a document is settled."""
    settled, whole = abs(gross - left), abs(gross)
    return 8 if settled > whole else 4 if settled == whole else 2 if settled else 0


def receivable(answer, opened):
    """The ledger's receivables are what is open of all documents (L1)."""
    lines = [(e["currency"], p) for e in answer["ledger"] for p in e["postings"] if p["account"] == RECEIVABLE]
    sums = sum(int((F(p["debit"]) - F(p["credit"])) * 10 ** DECIMALS[currency]) for currency, p in lines)
    return "" if sums == opened else f"{opened} is open, the ledger says {sums}"


def difference(scenario, answer, world, done):
    """What is not as the rules say, in words; nothing if all is."""
    said = [step["ok"] for step in answer["steps"]]
    if said != done:
        wrong = [(step, answer["steps"][n]) for n, step in enumerate(scenario["timeline"]) if said[n:n + 1] != [done[n]]]
        return f"the rules {'take' if said.count(False) else 'refuse'}, the program does not: {wrong[:2]}"
    ours, theirs = Counter(expected(world)), Counter(answered(answer, world.gross))
    if ours != theirs:
        show = lambda documents: "\n    ".join(documents) or "nothing"
        return f"the rules say\n    {show(ours - theirs)}\n  the program says\n    {show(theirs - ours)}"
    return "; ".join(broken(scenario, answer)) or paid(world, answer)


def cases():
    """Small ones that once went wrong, with the right value from another hand."""
    with open(Path(__file__).with_name("cases.ndjson"), encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def misses(case, nets, done):
    """Whether a case does not come to its right value."""
    right = case["right"]
    refused = [n for n, taken in enumerate(done) if not taken]
    return sorted(nets) != sorted(right["nets"]) or refused != right["refused"]


def wrong_cases(program):
    """The cases that the reference or the program gets wrong."""
    found, made = [], cases()
    for case, answer in zip(made, simulated(program, made)):
        world, done = play(case)
        if misses(case, [i.told()["Total"] for i in world.invoices], done):
            found.append((f"case {case['name']}", "the reference is wrong"))
        nets, said = [i["Total"] for i in answer["invoices"]], [step["ok"] for step in answer["steps"]]
        wrong = f"the program says {nets}, {said}; right is {case['right']}" if misses(case, nets, said) else ""
        wrong = wrong or difference(case, answer, world, done)
        if wrong:
            found.append((f"case {case['name']}", wrong))
    return found


def simulated(program, made):
    lines = "".join(json.dumps({k: s[k] for k in ("name", "book", "timeline")}) + "\n" for s in made)
    output = subprocess.run([program, "simulate", "-"], input=lines, capture_output=True, text=True, check=False)
    answers = [json.loads(line) for line in output.stdout.splitlines()]
    if len(answers) != len(made):
        raise SystemExit(f"{len(answers)} answers to {len(made)} scenarios: {output.stderr}")
    return answers


def chunk(job):
    program, numbers = job
    made = [scenarios.scenario(n) for n in numbers]
    answers = simulated(program, made)
    found, documents = [], 0
    played = [play(scenario) for scenario in made]
    for scenario, answer, (world, done) in zip(made, answers, played):
        documents += len(answer["invoices"])
        wrong = difference(scenario, answer, world, done)
        if wrong:
            found.append((scenario["name"], wrong))
    for one, other in scenarios.pairs(list(zip(made, answers, played))):
        if money(one[1]) != money(other[1]) and not (one[2][0].by_order or other[2][0].by_order):
            found.append((one[0]["name"], f"{other[0]['name']} is the same with other runs, and comes to other money: "
                                          f"{money(one[1])}, {money(other[1])}"))
    return found, documents


def main(program, first, count):
    chunks = [(program, range(n, min(n + CHUNK, first + count))) for n in range(first, first + count, CHUNK)]
    found, documents = wrong_cases(program), 0
    with Pool(2) as pool:
        for more, made in pool.imap(chunk, chunks):
            found += more
            documents += made
    for name, wrong in found[:SHOWN]:
        print(f"{name}\n  {wrong}")
    print(f"{count} scenarios, {documents} documents, {len(found)} differences")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
