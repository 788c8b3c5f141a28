"""Question: how does the time of `automm init` grow with the rows and the columns of a file?

Command:  python experiments/benchmarks/init_speed.py
          python experiments/benchmarks/init_speed.py --rows 20000 200000 --columns 10 60
Cost:     half a minute on two cores.
Prints:   for each size the processor seconds of guessing a manifest, and their ratio to the smallest size. The file is
          CSV with columns of every kind: ids, texts, numbers, few values, names and URLs of pictures.
Finding:  seconds grow in proportion to rows and columns, up to the 20,000 records that are kept: 0.9, 1.9 and 1.9 s for
          10,000, 20,000 and 40,000 rows of 30 columns; 2.1, 4.1 and 4.2 s for 60 columns. Before each column was
          analysed only once, when no more than 20,000 rows were read: 3.1 and 6.2, 6.4 and 12.8 s.
"""

import argparse
import csv
import json
import tempfile
import time
from pathlib import Path

from automm.data.onboarding.init import guess_manifest

KINDS = {
    "id": lambda row, column: f"r{column}-{row}",
    "text": lambda row, column: f"This is what buyer {row} wrote in column {column}, and some more words",
    "price": lambda row, column: f"{(row * 7 + column) % 10_000 / 100:.2f}",
    "kind": lambda row, column: "abcdefgh"[(row + column) % 8],
    "photo": lambda row, column: f"{row}_{column}.jpg",
    "image_url": lambda row, column: f"https://a.example/{row}/{column}.webp,https://b.example/{row}.webp",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 20_000, 40_000])
    parser.add_argument("--columns", type=int, nargs="+", default=[30, 60])
    arguments = parser.parse_args()
    first = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for columns in arguments.columns:
            for rows in arguments.rows:
                file = write(Path(folder) / f"{rows}-{columns}.csv", rows, columns)
                began = time.process_time()
                guess_manifest(file, file.parent)
                seconds = time.process_time() - began
                first = first or seconds
                figures = {"rows": rows, "columns": columns, "seconds": round(seconds, 2)}
                print(json.dumps(figures | {"of_the_first": round(seconds / first, 2)}), flush=True)


def write(file: Path, rows: int, columns: int) -> Path:
    names = list(KINDS)
    header = [f"{names[column % len(names)]}_{column}" for column in range(columns)]
    with file.open("w", newline="", encoding="utf-8") as out:
        table = csv.writer(out)
        table.writerow(header)
        for row in range(rows):
            table.writerow([KINDS[names[column % len(names)]](row, column) for column in range(columns)])
    return file


if __name__ == "__main__":
    main()
