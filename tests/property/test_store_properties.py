"""For any sets of items in any order: values are right, and each item is encoded once."""

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from automm.data.inputs.items import item_digests
from automm.search.features.store import FeatureStore
from automm.search.features.store_format import About, Items

KINDS = {"plain": ("<f4", False), "half": ("<f2", False), "ragged": ("<f4", True)}  # by family
REQUESTS = st.tuples(
    st.lists(st.integers(0, 11), min_size=1, unique=True), st.sets(st.sampled_from([*KINDS]), min_size=1)
)


def items_of(numbers):
    digests = item_digests(str(number).encode() for number in numbers)
    return Items(digests, np.array([1 + number % 3 for number in numbers], np.int32))


def values_of(numbers, ragged):
    rows = [[n, n + j] for n in numbers for j in range(1 + n % 3 if ragged else 1)]
    return np.array(rows, np.float32).reshape(-1, 2)


class Encoding:
    def __init__(self, families, places, numbers):
        self.features, self.places, self.numbers = dict.fromkeys(families, 2), places, numbers

    def batches(self):
        for start in range(0, len(self.places), 2):
            some = self.places[start : start + 2][::-1]
            chosen = [self.numbers[place] for place in some]
            yield {
                family: (
                    items_of(self.numbers).rows(some, ragged=KINDS[family][1]),
                    values_of(chosen, KINDS[family][1]),
                )
                for family in self.features
            }


@settings(max_examples=60, deadline=None)
@given(st.lists(REQUESTS, min_size=1, max_size=8))
def test_each_item_is_encoded_once_per_family(requests):
    kept = {family: [] for family in KINDS}  # the sets of items that each family's entries are of
    with tempfile.TemporaryDirectory() as folder:
        store = FeatureStore(Path(folder), 10**9)
        for numbers, families in requests:
            items, encoded = items_of(numbers), []

            def open_encoding(missing, places, numbers=numbers, encoded=encoded):
                encoded += [numbers[place] for place in places]
                return Encoding(missing, places, numbers)

            wanted = {}
            for family in sorted(families):
                dtype, ragged = KINDS[family]
                rows = int(items.lengths.sum()) if ragged else len(items)
                wanted[family] = About("texts", "tiny", "numpy", rows, dtype=dtype, items=len(items), ragged=ragged)
            for family, array in store.get(wanted, items, open_encoding).items():
                np.testing.assert_array_equal(array, values_of(numbers, KINDS[family][1]))
                del array
            missing = [family for family in families if numbers not in kept[family]]
            unseen = {n for n in numbers for family in missing if all(n not in others for others in kept[family])}
            assert sorted(encoded) == sorted(unseen)
            for family in missing:
                kept[family] = [others for others in kept[family] if not {*others} <= {*numbers}] + [numbers]
            entries = sorted((entry["key"].partition("-")[2], entry["items"]) for entry in store.entries())
            assert entries == sorted((family, len(others)) for family in KINDS for others in kept[family])
