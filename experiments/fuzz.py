"""Question: does any manifest, records file, native layout or experiment file end in a traceback?

Command:  python experiments/fuzz.py --cases 10000 --seed 1
          python experiments/fuzz.py layouts --cases 10000 --seed 1
          python experiments/fuzz.py experiments --cases 2000 --seed 1
Cost:     about five minutes each on two idle cores; one minute for experiments.
Prints:   how the cases ended. The script stops with exit code 1 and the smallest failing case at a traceback, at a case
          of more than 20 seconds, or if a file outside of the manifest's folder was opened.

Manifests and records are drawn by hypothesis from `tests/property/hostile.py`: plausible ones with hostile values, in
five file forms, many of them with bytes changed, inserted, removed or repeated. Pictures are valid, cut, empty, pipes,
folders, or links and names that lead out of the folder.

The thirteen native layouts are those of `tests/layouts.py`, damaged by `tests/property/harmed_layouts.py`: bytes
changed, columns and lines reordered, files emptied, removed, renamed or exchanged, and folders, pipes and links in
their places, some of which lead out of the folder.

Experiment files are those of `tests/property/hostile_experiments.py`: values of every shape at every key, keys
mistyped, removed and added at every depth, bytes changed, `--set` options, and any kind of file in place of the
manifest. Files that load are written out and loaded again, and their search space is narrowed.
"""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "property"))

import harmed_layouts
import hostile
import hostile_experiments

WHAT: dict[str, Any] = {"manifests": hostile, "layouts": harmed_layouts, "experiments": hostile_experiments}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=WHAT, nargs="?", default="manifests")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    source = WHAT[arguments.what]
    ends: Counter[str] = Counter()

    @seed(arguments.seed)
    @settings(
        max_examples=arguments.cases,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(source.cases)
    def every(case: Any) -> None:
        ends[source.run(case)] += 1

    every()
    print(json.dumps({"cases": ends.total(), **dict(ends.most_common())}))


if __name__ == "__main__":
    main()
