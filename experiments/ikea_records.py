"""Question: how does a data set in its own layout, here tables of pickled dicts, become records that automm reads?

Command:  python experiments/ikea_records.py --data ikea_interior --to data_manifests/ikea
          then: automm check data_manifests/ikea_interior.yaml
Data:     IKEA interior (Tautkute and others 2017), see data_manifests/ikea_interior.yaml.
Cost:     a second.
Finding:  see experiments/README.md.

Writes reviews.jsonl with the id, name, description, kind (the first word of the type, if 30 or more products share it)
and pictures of each product: its own and those of the rooms that contain it. The tables name a picture by different
folders; pictures are therefore joined by file name. A pickle can run code; the unpickler here loads no classes.
"""

import argparse
import json
import pickle
from collections import Counter
from pathlib import Path
from typing import Any

TABLES = ("products_dict", "item_to_room")
ADVERT = "View more product information"  # begins each description
FEWEST = 30


class PlainUnpickler(pickle.Unpickler):
    """An unpickler that loads only dicts, lists and texts."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"a table that wants {module}.{name} is not read")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="the folder with text_data/ and images/")
    parser.add_argument("--to", type=Path, required=True, help="a folder for reviews.jsonl")
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        raise SystemExit(
            f"skipped: {arguments.data} is not there; data_manifests/ikea_interior.yaml says how to get it"
        )
    rows, absent = records(arguments.data)
    arguments.to.mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (arguments.to / "reviews.jsonl").write_text(lines, encoding="utf-8")
    print(f"{arguments.to / 'reviews.jsonl'}: {len(rows):,} products; pictures that are not there: {absent:,}")


def records(data: Path) -> tuple[list[dict[str, Any]], int]:
    """Return the products of the larger kinds, and the number of their missing pictures."""
    products, rooms = (read_table(data / "text_data" / f"{name}.p") for name in TABLES)
    files = {file.name: file.relative_to(data).as_posix() for file in sorted((data / "images").rglob("*.jpg"))}
    rooms_of = {Path(key).stem: names for key, names in rooms.items()}
    kinds = Counter(kind(product) for product in products.values())
    rows, absent = [], 0
    for identity, product in products.items():
        if kinds[kind(product)] < FEWEST:
            continue
        names = list(dict.fromkeys(Path(name).name for name in (product["img"], *rooms_of.get(identity, ()))))
        absent += sum(name not in files for name in names)
        row = {
            "id": identity,
            "name": product["name"],
            "description": product["desc"].removeprefix(ADVERT).strip(),
            "kind": kind(product),
            "images": [files[name] for name in names if name in files],
        }
        rows.append(row)
    return rows, absent


def kind(product: dict[str, str]) -> str:
    """Return the first word of a product's type."""
    return product["type"].replace(",", " ").split()[0].lower() if product["type"].strip() else ""


def read_table(file: Path) -> dict[str, Any]:
    """Read a pickled dict of plain values."""
    with file.open("rb") as opened:
        table = PlainUnpickler(opened, encoding="latin1").load()
    if not isinstance(table, dict):
        raise SystemExit(f"{file}: expected a dict, got {type(table).__name__}")
    return table


if __name__ == "__main__":
    main()
