"""What benches/ingest measures us against, and the files that both read."""

import glob
import resource
import sys
import time

import duckdb
import polars as pl

COLUMNS = {"id": "varchar", "subject": "varchar", "meter": "varchar", "quantity": "decimal(38,9)", "time": "timestamptz"}


def connect():
    connection = duckdb.connect()
    connection.execute("set threads = 2; set timezone = 'UTC'")
    return connection


def rows(first, count, customers, events):
    """Events of January 2026, in the order of time; `events` of them make the month."""
    return f"""
        select 'ev-' || lpad(cast(i as varchar), 9, '0') as id,
               'SUB-' || lpad(cast(hash(i) % {customers} + 1 as varchar), 5, '0') as subject,
               'api_calls' as meter,
               cast(hash(i + 7) % 120 as integer) + 1 as quantity,
               strftime(timestamp '2026-01-01' + to_seconds(cast(i as bigint) % {events} * 2678400 // {events}),
                        '%Y-%m-%dT%H:%M:%SZ') as time
        from range({first}, {first + count}) t(i)"""


def write(home, events, customers):
    events, customers = int(events), int(customers)
    connection = connect()
    usage = rows(0, events, customers, events)
    copies = {
        "usage.csv": (usage, "format csv, header"),
        "usage.csv.gz": (usage, "format csv, header, compression gzip"),
        "usage.ndjson": (usage, "format json"),
        "usage.parquet": (
            f"select id, subject, meter, cast(quantity as decimal(38, 9)) as quantity, cast(time as timestamptz) as time from ({usage})",
            "format parquet, compression zstd",
        ),
        "again.csv": (f"select time, quantity, meter, subject, id from ({usage})", "format csv, header"),
        "more.csv": (rows(events, events // 20, customers, events), "format csv, header"),
    }
    for name, (query, options) in copies.items():
        connection.execute(f"copy ({query}) to '{home}/{name}' ({options})")


def source(file, connection):
    if file.endswith(".parquet"):
        return f"'{file}'"
    if file.endswith(".ndjson"):
        return f"read_json('{file}', format = 'newline_delimited', columns = {COLUMNS})"
    header = connection.execute(f"select * from read_csv('{file}', header = true) limit 0").description
    columns = {name: COLUMNS[name] for name, *_ in header}
    return f"read_csv('{file}', header = true, columns = {columns})"


def distinct(file, to, *_):
    connection = connect()
    connection.execute(f"copy (select distinct on (id) * from {source(file, connection)}) to '{to}' (format parquet)")


def anti(file, to, stored):
    connection = connect()
    query = f"select new.* from {source(file, connection)} new anti join '{stored}' old using (id)"
    connection.execute(f"copy ({query}) to '{to}' (format parquet)")


def sum_duckdb(folder):
    connection = connect()
    connection.execute(f"""
        create temp table summed as
        select subscription_no, meter, date_trunc('month', time), sum(quantity), min(quantity), max(quantity), count(*)
        from '{folder}/*.parquet' group by all""")


def sum_polars(folder):
    quantity = pl.col("quantity")
    month = pl.col("time").dt.truncate("1mo")
    totals = [quantity.sum(), quantity.min().alias("least"), quantity.max().alias("greatest"), pl.len()]
    segments = pl.scan_parquet(glob.glob(f"{folder}/*.parquet"))
    segments.group_by("subscription_no", "meter", month).agg(totals).collect()


def main(task, *arguments):
    """Does it, and tells its seconds, CPU seconds and megabytes; what Python takes to start is not counted."""
    start, before = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF)
    globals()[task](*arguments)
    after = resource.getrusage(resource.RUSAGE_SELF)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(time.monotonic() - start, used, after.ru_maxrss / 1024)


if __name__ == "__main__":
    main(*sys.argv[1:])
