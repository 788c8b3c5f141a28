"""Results as people read them on stdout: tables and verdicts."""

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
from automm.evaluate.metrics import METRICS, TITLES, main_metrics
from automm.tracking.runs import COMPLETED, is_partial

if TYPE_CHECKING:
    from automm.data.download.job import FetchResult
    from automm.search.features.cache_listing import Listing


RECIPES = {
    "logistic_both": "logistic regression on both",
    "logistic_all": "logistic regression on everything",
    "ridge_both": "ridge regression on both",
    "ridge_all": "ridge regression on everything",
}


def table(columns: Any, rows: list[list[str]], right: Any = ()) -> None:
    """Print columns and rows on stdout; those of `right` are numbers."""
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        drawn.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*row)
    console(sys.stdout).print(drawn)


class EscapingConsole(Console):
    """A console that escapes what it draws, whatever that is made of; only rich's own codes reach the terminal."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Plain strings are escaped before they are measured: what is longer later would be cut off."""
        return super().render_str(escape_lines(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=escape_lines(segment.text))


def console(stream: Any) -> Console:
    """A rich console: as wide as the terminal, or wide enough for a pipe."""
    terminal = stream.isatty()
    # No markup and no emoji: a message may hold brackets of its own, and ":100:" where it names a line.
    return EscapingConsole(file=stream, width=None if terminal else 160, highlight=False, markup=False, emoji=False)


def leaderboard_table(rows: list[dict[str, Any]], *, with_run: bool) -> None:
    """Print the rows of `evaluate.leaderboard`."""
    of_rows = [row["validation"] for row in rows if row["validation"]]
    metrics = [name for name in METRICS if any(name in scores for scores in of_rows)] or list(METRICS)[:3]
    main = [name for name in metrics if any(name in main_metrics(scores) for scores in of_rows)] or metrics[:2]
    scored = [f"val {TITLES[name]}" for name in metrics] + [f"test {TITLES[name]}" for name in main]
    folded = any(row["folds"] for row in rows)
    scored += [f"folds {TITLES[name]}" for name in main] if folded else []
    columns = ["rank", "run", "name", "kind", *scored, "parameters", "seconds"]
    body = []
    for row in rows:
        scores = [_score(row["validation"], name) for name in metrics] + [_score(row["test"], name) for name in main]
        scores += [_spread(row["folds"], name) for name in main] if folded else []
        name = row["name"] if row["status"] == COMPLETED else f"{row['name']} ({row['status']}: {row['error']})"
        name += f" (of {row['subsample']:g} of the reviews)" if row["subsample"] else ""
        cells = [str(row["rank"] or "-"), row["run"], name, row["kind"], *scores]
        body.append([*cells, f"{row['parameters']:,}", f"{row['seconds']:.1f}"])
    if not with_run:
        columns.remove("run")
        body = [[*line[:1], *line[2:]] for line in body]
    table(columns, body, right=[*scored, "parameters", "seconds", "rank"])
    for row in rows:
        if row["status"] == COMPLETED and is_partial(row["evaluation"]):
            show(f"{row['name']} was judged on {row['evaluation']} only, and ranks behind the others")
    if any(row["folds"] and row["folds"]["frozen"] for row in rows):
        show("* on the folds its encoders stay frozen: the tier-1 candidates that it was made from are measured")


def _spread(folds: dict[str, Any] | None, name: str) -> str:
    """Mean and deviation over a manifest's folds."""
    if not folds or name not in folds["mean"]:
        return "-"
    deviation = folds["deviation"][name]
    spread = "" if deviation is None else f" ± {deviation:.3f}"
    return f"{folds['mean'][name]:.3f}{spread}{'*' if folds['frozen'] else ''}"


def _score(scores: dict[str, float] | None, name: str) -> str:
    return f"{scores[name]:.3f}" if scores and name in scores else "-"


def cache_table(found: "Listing") -> None:
    """Print what `search.cache_listing` has found."""
    rows = [
        [e["key"][:12], e["what"], e["encoder"], f"{e['rows']:,}", decimal(e["bytes"]), e["last_used"]]
        for e in found.features
    ]
    for e in found.pictures:
        count = "-" if e["rows"] is None else f"{e['rows']:,}"
        rows.append([e["key"][:12], "decoded pictures", "-", count, decimal(e["bytes"]), e["last_used"]])
    table(("key", "what", "encoder", "rows", "size", "last used"), rows, right=("rows", "size"))
    show(f"features: {decimal(found.bytes)} of {decimal(found.limit)}, in {found.folder / 'features'}")
    if found.pictures:
        pictures = f"{decimal(found.picture_bytes)} of {decimal(found.limit)}"
        show(f"decoded pictures: {pictures}, in {found.folder / 'pictures'}")


def fetched_table(done: "FetchResult") -> None:
    """Print what `data.fetch` has done."""
    show(
        f"{done.urls:,} pictures by URL: {done.there:,} were there, {done.fetched:,} fetched "
        f"({decimal(done.bytes)}), {len(done.missing):,} missing"
    )
    if done.missing:
        reasons = Counter(one.reason for one in done.missing).most_common()
        first = {one.reason: one for one in reversed(done.missing)}
        rows = [[f"{count:,}", reason, first[reason].where, first[reason].url] for reason, count in reasons[:20]]
        table(("missing", "reason", "first record", "its URL"), rows, right=["missing"])
        show(f"all of them: {done.report}")


def verdict(result: dict[str, Any]) -> list[str]:
    """What a search has found, in words: from its result.json."""
    test = result["test"][result["best"]]
    first, second = main_metrics(test)
    lines = [
        f"best by validation: {result['best']}; test {TITLES[first]} {test[first]:.3f}, "
        f"{TITLES[second]} {test[second]:.3f}"
    ]
    if luck := result.get("selection"):
        lines.append(
            f"  picked from {luck['candidates']} by {result['objective']} ({luck['of']}): {luck['score']:.3f}, "
            f"of which {luck['optimism']:.3f} is the luck of the pick"
        )
    for metric, interval in result.get("against_recipe", {}).items():
        lines.append(
            f"  against {RECIPES[result['recipe']]}: {metric} {interval['difference']:+.3f} "
            f"(95 % interval {interval['low']:+.3f} to {interval['high']:+.3f})"
        )
    if folds := result.get("folds"):
        lines += _on_folds(folds, result, (first, second))
    missing = result["missing"]
    for modality, scores in missing["scores"][result["best"]].items():
        left = dict(zip(missing["percent"], scores[first], strict=True))
        lost = {"text": "their text", "image": "their pictures"}.get(modality, f"their {modality}")
        lines.append(
            f"  where reviews lose {lost}: {TITLES[first]} {left[50]:.3f} (half of them), {left[100]:.3f} (all)"
        )
    return lines


def _on_folds(folds: dict[str, Any], result: dict[str, Any], metrics: tuple[str, str]) -> list[str]:
    best = folds["scores"][result["best"]]
    told = ", ".join(f"{TITLES[name]} {_spread(best, name)}" for name in metrics)
    how = " (encoders frozen)" if best["frozen"] else ""
    lines = [f"  on {len(best['folds'])} folds, mean and deviation of their test parts: {told}{how}"]
    for fold, why in best["failed"].items():
        lines.append(f"  not on fold {fold}: {why}")
    if apart := folds.get("against_recipe"):
        told = ", ".join(f"{TITLES[name]} {apart[name]['mean']:+.3f}{_plus_minus(apart[name])}" for name in metrics)
        lines.append(f"  on folds against {RECIPES[result['recipe']]}: {told}")
    return lines


def _plus_minus(one: dict[str, Any]) -> str:
    return "" if one["deviation"] is None else f" ± {one['deviation']:.3f}"


def dataset(known: dict[str, Any]) -> None:
    """Print all that is known of a data set."""
    for key in ("name", "format", "size", "licence", "homepage", "citation", "get", "manifest"):
        if known[key]:
            show(f"{key + ':':<10} {' '.join(str(known[key]).split())}")
    if known["published"]:
        show()
        rows = [[row["method"], row["metric"], f"{row['value']:g}", row["source"]] for row in known["published"]]
        table(("published", "metric", "value", "where"), rows, right=("value",))
