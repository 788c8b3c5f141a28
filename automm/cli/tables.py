"""Print results on stdout for people: tables and the verdict of a search."""

import json
import sys
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.filesize import decimal
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from automm.cli.screen import show
from automm.errors import escape_lines
from automm.tasks.registry import TASKS, all_metrics, task_of
from automm.tracking.run_folder import COMPLETED, is_partial

if TYPE_CHECKING:
    from automm.data.download.job import FetchResult
    from automm.search.features.cache_listing import Listing


def table(columns: Any, rows: list[list[str]], right: Any = ()) -> None:
    """Print a table on stdout; the columns in `right` are aligned right."""
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        drawn.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*row)
    console(sys.stdout).print(drawn)


def roles_table(roles: list[tuple[str, str, str, list[str]]]) -> None:
    """Print the role of every column of records on stderr: column, role, why, examples."""
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("column", "role", "why", "examples"):
        drawn.add_column(column, overflow="fold")
    for name, role, why, examples in roles:
        drawn.add_row(name, role, why, " | ".join(examples))
    console(sys.stderr).print(drawn)


class EscapingConsole(Console):
    """A console that escapes everything it draws; only rich's own control codes reach the terminal."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Escape plain strings before they are measured; otherwise the longer escaped text would be cut off."""
        return super().render_str(escape_lines(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=escape_lines(segment.text))


def console(stream: Any) -> Console:
    """Return a rich console as wide as the terminal; 160 columns in a pipe."""
    terminal = stream.isatty()
    # No markup and no emoji codes: messages contain brackets, and line numbers such as ":100:".
    return EscapingConsole(file=stream, width=None if terminal else 160, highlight=False, markup=False, emoji=False)


def leaderboard_table(rows: list[dict[str, Any]], *, with_run: bool) -> None:
    """Print the rows of `evaluate.leaderboard`."""
    known = all_metrics()
    validation = [row["validation"] for row in rows if row["validation"]]
    metrics = [name for name in known if any(name in scores for scores in validation)] or list(known)[:3]
    mains = {name for scores in validation for name in task_of(scores).main_metrics}
    main = [name for name in metrics if name in mains] or metrics[:2]
    scored = [f"val {known[name].title}" for name in metrics] + [f"test {known[name].title}" for name in main]
    has_folds = any(row["folds"] for row in rows)
    scored += [f"folds {known[name].title}" for name in main] if has_folds else []
    has_seeds = any(row["seed_spread"] is not None for row in rows)
    scored += ["between seeds"] if has_seeds else []
    has_experiments = with_run and len({row["experiment"] for row in rows}) > 1
    has_times = any(row["milliseconds"] is not None for row in rows)
    costs = ["parameters", *(["ms a review"] if has_times else []), "seconds"]
    columns = ["rank", "run", "name", "kind", *scored, *costs]
    body = []
    for row in rows:
        scores = [_score(row["validation"], name) for name in metrics] + [_score(row["test"], name) for name in main]
        scores += [_spread(row["folds"], name) for name in main] if has_folds else []
        scores += ["-" if row["seed_spread"] is None else f"{row['seed_spread']:.3f}"] if has_seeds else []
        name = row["name"] if row["status"] == COMPLETED else f"{row['name']} ({row['status']}: {row['error']})"
        name += f" (on {row['subsample']:.0%} of the reviews)" if row["subsample"] else ""
        kind = f"trial ({row['proposed_by']})" if row["kind"] == "trial" and row["proposed_by"] else row["kind"]
        cells = [str(row["rank"] or "-"), row["run"], name, kind, *scores]
        took = "-" if row["milliseconds"] is None else f"{row['milliseconds']:.1f}"
        body.append([*cells, f"{row['parameters']:,}", *([took] if has_times else []), f"{row['seconds']:.1f}"])
    if not with_run:
        columns.remove("run")
        body = [[*line[:1], *line[2:]] for line in body]
    if has_experiments:
        columns.insert(0, "experiment")
        body = [[row["experiment"], *line] for row, line in zip(rows, body, strict=True)]
    table(columns, body, right=[*scored, *costs, "rank"])
    if has_experiments:
        show("ranks are within an experiment: scores on different data cannot be compared")
    for row in rows:
        if row["rank"] and is_partial(row["evaluation"]):
            show(f"{row['name']} was scored on {row['evaluation']} only, and ranks behind the others")
        if row["rank"] and row["ranked_by"] is not None:
            title = known[row["objective"].removeprefix("val_")].title
            show(
                f"{row['name']} is ranked by {title} {row['ranked_by']:.3f}: the best single score and its lead over it"
            )
    if any(row["folds"] and row["folds"]["frozen"] for row in rows):
        show("* measured with frozen encoders, as the tier-1 candidates that it was made from")


def _spread(folds: dict[str, Any] | None, name: str) -> str:
    """Format the mean and the standard deviation over the folds of a manifest; * for frozen encoders."""
    if not folds or name not in folds["mean"]:
        return "-"
    deviation = folds["deviation"][name]
    spread = "" if deviation is None else f" ± {deviation:.3f}"
    return f"{folds['mean'][name]:.3f}{spread}{'*' if folds['frozen'] else ''}"


def _score(scores: dict[str, float] | None, name: str) -> str:
    return f"{scores[name]:.3f}" if scores and name in scores else "-"


def cache_table(listing: "Listing") -> None:
    """Print the entries of the cache."""
    rows = [
        [e["key"][:12], e["what"], e["encoder"], f"{e['rows']:,}", decimal(e["bytes"]), e["last_used"]]
        for e in listing.features
    ]
    for e in listing.pictures:
        count = "-" if e["rows"] is None else f"{e['rows']:,}"
        rows.append([e["key"][:12], "decoded pictures", "-", count, decimal(e["bytes"]), e["last_used"]])
    table(("key", "what", "encoder", "rows", "size", "last used"), rows, right=("rows", "size"))
    show(f"features: {decimal(listing.bytes)} of {decimal(listing.limit)}, in {listing.folder / 'features'}")
    if listing.pictures:
        pictures = f"{decimal(listing.picture_bytes)} of {decimal(listing.limit)}"
        show(f"decoded pictures: {pictures}, in {listing.folder / 'pictures'}")
    if listing.embedded_bytes:
        embedded = f"{decimal(listing.embedded_bytes)} of {decimal(listing.limit)}"
        show(f"pictures from cells of records: {embedded}, in {listing.folder / 'embedded'}")
    if listing.converted_bytes:
        show(f"encoders converted for ONNX Runtime: {decimal(listing.converted_bytes)}, in {listing.folder / 'onnx'}")


def fetched_table(done: "FetchResult") -> None:
    """Print how many pictures were downloaded, and which are missing."""
    show(
        f"{done.urls:,} pictures by URL: {done.there:,} already there, {done.fetched:,} fetched "
        f"({decimal(done.bytes)}), {len(done.missing):,} missing"
    )
    if done.missing:
        reasons = Counter(picture.reason for picture in done.missing).most_common()
        first = {picture.reason: picture for picture in reversed(done.missing)}
        rows = [[f"{count:,}", reason, first[reason].where, first[reason].url] for reason, count in reasons[:20]]
        table(("missing", "reason", "first review", "its URL"), rows, right=["missing"])
        if more := sum(count for _, count in reasons[20:]):
            show(f"{more:,} more for {len(reasons) - 20:,} other reasons")
        show(f"all missing pictures: {done.report}")


def verdict(result: dict[str, Any]) -> list[str]:
    """Return the verdict of a search in words, one line each, from its result.json."""
    test = result["test"][result["best"]]
    known = all_metrics()
    first, second = task_of(test).main_metrics
    lines = [
        f"best by validation: {result['best']}; test {known[first].title} {test[first]:.3f}, "
        f"{known[second].title} {test[second]:.3f}"
    ]
    if luck := result.get("selection"):
        lines.append(
            f"  picked from {luck['candidates']} by {result['objective']} ({luck['of']}): {luck['score']:.3f}, "
            f"of which {luck['optimism']:.3f} is selection bias"
        )
        if note := luck.get("note"):
            lines.append(f"  {note}")
    for metric, interval in result.get("against_recipe", {}).items():
        limits = "95 % interval {low:+.3f} to {high:+.3f}"
        if interval["low"] is None:
            limits = "{method}, and there are {units}"
        lines.append(
            f"  against {_recipe(result)}: {known[metric].title} {interval['difference']:+.3f} "
            f"({limits.format(**interval)})"
        )
    if folds := result.get("folds"):
        lines += _on_folds(folds, result, (first, second))
    lines += [f"  {sentence}" for sentence in result.get("verdict", [])]
    for found in (result.get("end_to_end"), *result.get("tier2", {}).values()):
        lines += [f"  {found['sentence']}"] if found else []
    missing = result["missing"]
    for modality, scores in missing["scores"][result["best"]].items():
        left = dict(zip(missing["percent"], scores[first], strict=True))
        lost = {"text": "their text", "image": "their pictures"}.get(modality, f"their {modality}")
        scored = f"{left[50]:.3f} (half of the reviews), {left[100]:.3f} (all)"
        lines.append(f"  if reviews lose {lost}: {known[first].title} {scored}")
    return lines


def _recipe(result: dict[str, Any]) -> str:
    """Return the title of the linear baseline that the best candidate is compared with."""
    task = task_of(result["test"][result["best"]])
    parts = "all modalities" if result["recipe"] == task.baseline("logistic_all") else "text and pictures"
    return f"{task.linear_title} on {parts}"


def _on_folds(folds: dict[str, Any], result: dict[str, Any], metrics: tuple[str, str]) -> list[str]:
    known, best = all_metrics(), folds["scores"][result["best"]]
    shown = ", ".join(f"{known[name].title} {_spread(best, name)}" for name in metrics)
    how = " (encoders frozen)" if best["frozen"] else ""
    lines = [f"  on {len(best['folds'])} folds, mean ± standard deviation of their test parts: {shown}{how}"]
    for fold, why in best["failed"].items():
        lines.append(f"  failed on fold {fold}: {why}")
    if differences := folds.get("against_recipe"):
        shown = ", ".join(
            f"{known[name].title} {differences[name]['mean']:+.3f}{_plus_minus(differences[name])}" for name in metrics
        )
        lines.append(f"  on folds against {_recipe(result)}: {shown}")
    return lines


def _plus_minus(figure: dict[str, Any]) -> str:
    return "" if figure["deviation"] is None else f" ± {figure['deviation']:.3f}"


def comparison_table(compared: dict[str, Any]) -> None:
    """Print the comparison of two runs (`evaluate/comparisons/runs`): figures, then what differs."""
    known = {**all_metrics(), **TASKS[compared["task"]].published}
    for letter, run in zip("AB", compared["runs"], strict=True):
        show(f"{letter}: {run['experiment']}/{run['run']}, {run['choice']}; test split read {run['test_reads']} x")
    title = known[compared["objective"]].title
    show(f"{compared['reviews']:,} test reviews, {compared['units']:,} units; {title} of B: {compared['relation']}")
    rows = []
    for name, found in compared["metrics"].items():
        differences = [_figure(found[key], "+.4f") for key in ("difference", "low", "high")]
        values = [_figure(value, ".4f") for value in found["values"]]
        rows.append([known[name].title, *values, *differences, _p(found["p"])])
    for name, pair in compared["published"].items():
        if name not in compared["metrics"]:
            rows.append([known[name].title, *(_figure(value, ".4f") for value in pair), *[""] * 4])
    numbers = ("A", "B", "B - A", "95 % from", "to", "p")
    table(("metric", *numbers), rows, right=numbers)
    if counted := compared["mcnemar"]:
        wins = f"{counted['wins']:,} in B, {counted['losses']:,} in A"
        show(f"units with more correct labels: {wins} (McNemar, p {_p(counted['p'])})")
    for title, keys in compared["differs"].items():
        show()
        rows = [[key, *(json.dumps(value, ensure_ascii=False) for value in values)] for key, values in keys.items()]
        if rows:
            table((title, "A", "B"), rows)
        else:
            show(f"{title}: the same")


def _figure(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _p(value: float | None) -> str:
    return "<0.001" if value is not None and value < 0.001 else _figure(value, ".3f")


def dataset(entry: dict[str, Any]) -> None:
    """Print everything that is known about a data set."""
    for key in ("name", "format", "size", "licence", "homepage", "citation", "get", "manifest"):
        if entry[key]:
            show(f"{key + ':':<10} {' '.join(str(entry[key]).split())}")
    if entry["published"]:
        show()
        rows = [[row["method"], row["metric"], f"{row['value']:g}", row["source"]] for row in entry["published"]]
        table(("published", "metric", "value", "where"), rows, right=("value",))
