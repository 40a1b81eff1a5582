"""Makes the files of this folder: small ones that unpack to much. Needs pyarrow and zstd; the files are kept, so that the
tests need neither. Says what each is."""

import subprocess
import pyarrow as pa
import pyarrow.parquet as pq

TIME = "2026-01-10T10:00:00Z"


def full(value, rows):
    """The same value in each row, packed as one."""
    return pa.DictionaryArray.from_arrays(pa.repeat(pa.scalar(0, pa.int32()), rows), pa.array([value]))


def write(name, table, **options):
    """One row group, without what pyarrow alone would read."""
    options = {"compression": "zstd", "store_schema": False, "write_statistics": False} | options
    pq.write_table(table, name, row_group_size=table.num_rows, **options)


def usage(rows, **more):
    columns = {"id": "a", "subject": "SUB-0001", "meter": "api_calls", "quantity": "1", "time": TIME}
    return pa.table({name: full(value, rows) for name, value in columns.items()} | more)


def main():
    """dictionary: 100,000 times one text of 40 kB, 4 GB. rows: 20 million rows that are alike, a gigabyte as text. columns: four
    hundred columns without a value, 300,000 rows. prefixed: 15,000 times a text of 30 kB as what it shares with the one
    before. page: one page of 200 MB. endless.csv.zst: a line of 300 MB.
    usual: what the fuzz begins with."""
    write("dictionary.parquet", usage(100_000, **{"properties.note": full("x" * 40_000, 100_000)}))
    write("rows.parquet", usage(20_000_000), data_page_size=1 << 26)
    nothing = full("", 300_000)
    write("columns.parquet", usage(300_000, **{f"properties.c{n}": nothing for n in range(400)}))
    plain = usage(15_000, **{"properties.note": pa.array(["x" * 30_000] * 15_000)})
    columns = {name: pa.array(plain[name].to_pylist()) for name in plain.column_names}
    encodings = {name: "DELTA_BYTE_ARRAY" if name == "properties.note" else "PLAIN" for name in columns}
    write("prefixed.parquet", pa.table(columns), use_dictionary=False, column_encoding=encodings)
    texts = {name: pa.array(usage(200)[name].to_pylist()) for name in usage(200).column_names}
    texts["properties.note"] = pa.array(["x" * 1_000_000] * 200)
    write("page.parquet", pa.table(texts), use_dictionary=False, data_page_size=1 << 30, write_batch_size=1 << 20)
    rows = [str(n) for n in range(20)]
    usual = pa.table({"id": rows, "subject": ["SUB-1"] * 20, "meter": ["calls"] * 20, "quantity": rows, "time": [TIME] * 20})
    write("usual.parquet", usual, use_dictionary=["subject"], column_encoding={"id": "DELTA_BYTE_ARRAY"}, data_page_version="2.0")
    with open("endless.csv.zst", "wb") as out:
        packer = subprocess.Popen(["zstd", "-19", "-c"], stdin=subprocess.PIPE, stdout=out)
        packer.stdin.write(b"id,subject,meter,quantity,time\n")
        for _ in range(300):
            packer.stdin.write(b"a" * (1 << 20))
        packer.communicate()


main()
