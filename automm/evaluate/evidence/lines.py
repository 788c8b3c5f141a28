"""The verdict of a search in five lines, from its result.json."""

from collections.abc import Mapping
from typing import Any

from automm.evaluate.evidence.worth import amount, number
from automm.tasks.base import LARGER
from automm.tasks.registry import all_metrics, task_of


def five_lines(result: Mapping[str, Any], command: str) -> list[str]:
    """Return the choice, its lead, what modalities are worth, what more reviews would add, and what speaks against it.

    Args:
        result: of a finished search.
        command: computes the evidence that is missing.
    """
    evidence, known = result.get("evidence", {}), all_metrics()
    test = result["test"][result["best"]]
    shown = ", ".join(f"{known[name].title} {test[name]:.3f}" for name in task_of(test).main_metrics)
    modalities = [found["sentence"] for found in evidence.get("modalities", {}).get("of", {}).values()]
    more = evidence.get("learning_curve", {}).get("sentence", "")
    return [
        f"choice: {result['best']}, test {shown}",
        f"lead: {_lead(result)}",
        f"modalities: {'. '.join(map(_capital, modalities)) or _missing(evidence, 'modalities', command)}",
        f"more data: {_capital(more) or _missing(evidence, 'learning_curve', command)}",
        f"caution: {_caution(result, evidence, command)}",
    ]


def _lead(result: Mapping[str, Any]) -> str:
    """Return the difference to the linear baseline on the test split; positive is better."""
    against = result.get("against_recipe", {})
    if not against:
        return "the choice is the linear baseline itself, or there is none"
    name = next(iter(against))
    metric, found = all_metrics()[name], against[name]
    sign = 1 if metric.direction == LARGER else -1
    words = f"{amount(metric, sign * found['difference'])} over {result['recipe']} on the test split"
    if found["low"] is None:
        return f"{words} ({found['method']}, and there are {found['units']})"
    low, high = sorted((sign * found["low"], sign * found["high"]))
    return f"{words} (95 % interval {number(metric, low)} to {number(metric, high)})"


def _missing(evidence: Mapping[str, Any], name: str, command: str) -> str:
    reason = evidence.get("left_out", {}).get(name, "")
    return f"not computed{f' ({reason})' if reason else ''}. Compute it: {command}"


def _caution(result: Mapping[str, Any], evidence: Mapping[str, Any], command: str) -> str:
    """Return what the search has not shown, and which evidence is not complete."""
    said = list(result.get("verdict", []))
    left_out = [name for name in evidence.get("left_out", {}) if name in evidence]
    said += [f"not complete: {', '.join(left_out)} ({command})"] if left_out else []
    return ". ".join(map(_capital, said)) or "none"


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
