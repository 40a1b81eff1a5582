"""Sums the usage store of a SQLite home with DuckDB, as docs/usage-store.md says: prints {subscription: {meter: quantity}} of the
events from one moment on and before another one."""
import json
import os
import sqlite3
import sys

import duckdb

home, begin, end = sys.argv[1:]
book = sqlite3.connect(f"file:{home}/tallybook.db?mode=ro", uri=True)
files = [os.path.join(home, path) for (path,) in book.execute("select path from usage_segment where removed_version is null")]
names = dict(book.execute("select no, number from subscription"))
sums = duckdb.execute(
    """
    with usage as (select * from read_parquet($files)),
         replaced as (select source, corrects as id from usage where corrects is not null)
    select subscription_no, meter, sum(quantity)
    from usage anti join replaced using (source, id)
    where time >= $begin::timestamptz and time < $end::timestamptz
    group by all
    """,
    {"files": files, "begin": begin, "end": end},
).fetchall()
told = {}
for number, meter, quantity in sums:
    told.setdefault(names[number], {})[meter] = f"{quantity:f}"
print(json.dumps(told))
