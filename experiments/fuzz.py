"""Question: does any manifest, records file, native layout or experiment file end in a traceback, or never?

Command:  python experiments/fuzz.py --cases 10000 --seed 1
          python experiments/fuzz.py layouts --cases 10000 --seed 1
          python experiments/fuzz.py experiments --cases 2000 --seed 1
Cost:     about five minutes each on two cores that are free, experiments one.
Prints:   how the cases ended. A traceback, a case of more than 20 seconds, or a file that was opened outside of the
          manifest's folder ends it with the smallest such case (exit code 1).

Manifests and records are drawn by hypothesis from `tests/property/hostile.py`: plausible ones with hostile values, in
five file forms, many with bytes changed, inserted, removed or repeated afterwards; pictures are sound, cut, empty,
pipes, folders, and links and names that lead out. The thirteen native layouts are those of `tests/layouts.py`, harmed
by `tests/property/harmed_layouts.py`: bytes changed, columns and lines turned, files emptied, removed, renamed,
exchanged, and folders, pipes and links, also such as lead out, in their places. Experiment files are those of
`tests/property/hostile_experiments.py`: values of every shape at every key, keys mistyped, removed and added at every
depth, bytes changed, options of `--set`, and whatever may lie where the manifest should. Those that are loaded are
written out and loaded again, and their search space is narrowed.
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
