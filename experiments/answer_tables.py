"""The tables of `answer.py`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from answer_report import LEVEL, METRIC, DataSet, Difference, kept_comparisons, read


def report(path: Path, work: Path) -> None:
    """Print all tables, and keep the comparisons in the JSON file."""
    sets, found = kept_comparisons(path, work)
    searches = read(path)["searches"].items()
    commits = sorted({f"{key.split('/')[0]} {row['commit']} ({' '.join(row['settings'])})" for key, row in searches})
    print(f"code: {', '.join(commits)}\n")
    print_figures(sets)
    print_comparisons(found)
    print_contributions(sets)
    print_choices(sets)


def print_figures(sets: Mapping[str, DataSet]) -> None:
    """Print the test figures, means over the seeds."""
    heads = ("data set", "reviews (test)", "seeds", "answer", "code before", "best baseline", "logistic regression")
    print_table([*heads, "seconds", "before"])
    for name, data in sets.items():
        rows, after, before = next(iter(data.after.values())).row["rows"], data.after.values(), data.before.values()
        baselines = ", ".join(sorted({one.best_baseline for one in after}))
        cells = [
            f"{sum(rows.values()):,} ({rows['test']:,})",
            f"{len(after)}",
            mean_of([one.test(one.choice) for one in after]),
            mean_of([one.test(one.choice) for one in before]),
            f"{mean_of([one.test(one.best_baseline) for one in after])} ({baselines})",
            mean_of([one.test(one.logistic) for one in after]),
            mean_of([one.row["seconds"] for one in after], ".0f"),
            mean_of([one.row["seconds"] for one in before], ".0f"),
        ]
        print_row([name, *cells])


def print_comparisons(found: Mapping[str, Mapping[str, Any]]) -> None:
    """Print the paired differences on the test split, and the verdicts of issue and docstring."""
    for against, one in found.items():
        print(f"\nThe answer minus {against}, {METRIC} on the test split:\n")
        print_table(["data set", "difference (95 %)", "p", "p (Holm)"])
        for name, each in one["sets"].items():
            print_row([name, interval_of(each), f"{each.p:.3f}", f"{one['holm'][name]:.3f}"])
        print_row(["mean, equal weights", interval_of(one["mean"]), f"{one['mean'].p:.3f}", ""])
        if one["mean_of_sets"] is not None:
            print_row(["the same, data sets as units", interval_of(one["mean_of_sets"]), "", ""])
        lost = [name for name, each in one["sets"].items() if each.value < 0 and one["holm"][name] < LEVEL]
        low = one["mean"].value - one["mean"].half
        print(f"\nLower limit of the mean {'above' if low > 0 else 'not above'} 0; certain losses: {lost or 'none'}")


def print_contributions(sets: Mapping[str, DataSet]) -> None:
    """Print what is lost out of fold without members of a kind, the decision, the forms, or the ensemble."""
    by_set = {name: mean_contributions([one.row for one in data.after.values()]) for name, data in sets.items()}
    names = list(dict.fromkeys(name for found in by_set.values() for name in found))
    if not names:
        print("\nNo contributions: the out-of-fold answers of --work are not there")
        return
    print(f"\nWhat each contributes to the ensemble, {METRIC} out of fold, +- one standard error:\n")
    print_table(["left out", *by_set, "mean", "data sets with a gain"])
    for name in names:
        found = [by_set[one].get(name) for one in by_set]
        known = [one for one in found if one is not None]
        value, error = np.mean([one[0] for one in known]), sum(one[1] ** 2 for one in known) ** 0.5 / len(known)
        cells = ["" if one is None else f"{one[0]:+.4f} +- {one[1]:.4f}" for one in found]
        gains = f"{sum(one[0] > 0 for one in known)} of {len(known)}"
        print_row([name, *cells, f"{value:+.4f} +- {error:.4f}", gains])


def mean_contributions(rows: Sequence[Mapping[str, Any]]) -> dict[str, tuple[float, float]]:
    """Return the means of the contributions over some searches that have them, and of their standard errors."""
    having = [row["contributions"] for row in rows if "contributions" in row]
    names = dict.fromkeys(name for found in having for name in found)
    by_name = {name: np.mean([found[name] for found in having if name in found], axis=0) for name in names}
    return {name: (float(value), float(error)) for name, (value, error) in by_name.items()}


def print_choices(sets: Mapping[str, DataSet]) -> None:
    """Print what each search of the present code chose."""
    print("\nThe choices:\n")
    print_table(["data set", "seed", "choice", "form", "validation", "corrected", "test", "members"])
    for name, data in sets.items():
        for seed, search in data.after.items():
            chosen, row = search.row["choice"], search.row
            members = ", ".join(f"{member} {weight:.2f}" for member, weight in chosen["members"].items())
            figures = (row["validation"][search.choice][METRIC], (row["selection"] or {}).get("corrected"))
            cells = ["" if figure is None else f"{figure:.3f}" for figure in (*figures, search.test(search.choice))]
            print_row([name, str(seed), search.choice, chosen["form"], *cells, members])


def mean_of(values: Sequence[float], form: str = ".3f") -> str:
    return f"{np.mean(values):{form}}" if values else ""


def interval_of(one: Difference) -> str:
    return f"{one.value:+.4f} ({one.value - one.half:+.4f} to {one.value + one.half:+.4f})"


def print_table(heads: Sequence[str]) -> None:
    print_row(heads)
    print("|---" * len(heads) + "|")


def print_row(cells: Sequence[str]) -> None:
    print(f"| {' | '.join(cells)} |")
