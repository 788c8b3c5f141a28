"""Question: does any manifest or records file end in anything else than splits or a named error?

Command:  python experiments/fuzz.py --cases 10000 --seed 1
Cost:     about five minutes on two cores.
Prints:   how the cases ended. A traceback, a case of more than 20 seconds, or a file that was opened outside of the
          manifest's folder ends it with the smallest such case (exit code 1).

Manifests and records are drawn by hypothesis from `tests/property/hostile.py`: plausible ones with hostile values, in
five file forms, many with bytes changed, inserted, removed or repeated afterwards; pictures are sound, cut, empty,
pipes, folders, and links and names that lead out.
"""

import argparse
import json
import sys
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "property"))

import hostile


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    ends: Counter[str] = Counter()

    @seed(arguments.seed)
    @settings(
        max_examples=arguments.cases,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(hostile.cases)
    def every(case: hostile.Case) -> None:
        ends[hostile.run(case)] += 1

    every()
    print(json.dumps({"cases": ends.total(), **dict(ends.most_common())}))


if __name__ == "__main__":
    main()
