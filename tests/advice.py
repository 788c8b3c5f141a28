"""Every sentence of automm's messages that says what to do, read from the source."""

import ast
import re
from collections.abc import Iterator
from functools import cache, wraps
from pathlib import Path
from string import Formatter

import automm

ROOT = Path(automm.__file__).parent
VERBS = (
    "Add|Change|Check|Choose|Close|Compare|Complete|Convert|Copy|Correct|Create|Crop|Delete|Download|Drop|Empty|Exclude|"
    "Export|Fetch|Flatten|Free|Give|Install|Join|Keep|Learn|Leave|List|Lower|Make|Map|Merge|Move|Name|Open|Order|Pass|Predict|"
    "Put|Raise|Reduce|Reinstall|Remove|Rename|Repair|Replace|Resume|Run|Save|Set|Shorten|Shrink|Solve|Split|Start|Train|"
    "Unpack|Update|Upgrade|Use|Wait|Write|To"
)
ADVICE = re.compile(
    rf"^(?:{VERBS})\b"
    rf"|^(?:If|Or)\b[^:]*?,? (?:{VERBS.lower()})\b"
    r"|\bautomm (?:init|import|check|search|predict|export|fetch-images|weights|sync|ui|demo)\b"
    r"|[:;,] (?:to [a-z ]+, |or )?(?:set|write|correct|save|add|unpack|use|convert) "
)
FORMATTED = re.compile(r"\{(?:manifest|records|targets|encodings|fix)\}")
KEYS = re.compile(r"^\w+: .*\n\w+: ", re.MULTILINE)  # the content of a file of keys and values is no message
# Files whose sentences are no messages: the texts of a card, help of the program.
NO_MESSAGES = {"deliver/card.py", "cli/__init__.py"}


def template(node: ast.AST) -> str | None:
    """Return the text of a string, {} for each value in it; None if it is none."""
    if isinstance(node, ast.Constant):
        if isinstance(node.value, str) and ("{{" in node.value or FORMATTED.search(node.value)):  # for str.format
            return "".join(text + "{}" * (name is not None) for text, name, *_ in Formatter().parse(node.value))
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return None


def silent(tree: ast.AST) -> Iterator[ast.AST]:
    """Yield strings that are no messages: docstrings, annotations, help of options, and parts of other strings."""
    for node in ast.walk(tree):
        for part in ("annotation", "returns"):
            if isinstance(getattr(node, part, None), ast.Constant):
                yield getattr(node, part)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            first = next(iter(node.body), None)
            if isinstance(first, ast.Expr):
                yield first.value
        elif isinstance(node, ast.JoinedStr):
            yield from node.values
        elif isinstance(node, ast.Call):
            yield from (word.value for word in node.keywords if word.arg == "help")


@cache
def advice() -> dict[str, str]:
    """Return each sentence that says what to do, {} for its values, and a file that has it."""
    found: dict[str, str] = {}
    for file in sorted(ROOT.rglob("*.py")):
        place = file.relative_to(ROOT).as_posix()
        tree = ast.parse(file.read_text("utf-8"))
        ignored = {id(node) for node in silent(tree)}
        for node in ast.walk(tree):
            text = (template(node) if id(node) not in ignored and place not in NO_MESSAGES else None) or ""
            for sentence in re.split(r"(?<=[.?])\s+", "" if KEYS.search(text) else " ".join(text.split())):
                if ADVICE.search(sentence) and " " in sentence.strip() and not sentence.endswith("?"):
                    found.setdefault(sentence.strip().rstrip("."), place)
    return found


def pattern(sentence: str) -> re.Pattern[str]:
    """Return what matches a sentence with any values in place of {} and, in a message of the log, %s."""
    return re.compile(".*?".join(map(re.escape, re.split("{}|%s", sentence))), re.DOTALL)


heard: set[str] = set()


def advises(*sentences):
    """Mark a test with the advice that it follows, as literals; the test must have heard each of them."""

    def register(test):
        @wraps(test)
        def run(*values, **named):
            heard.clear()
            test(*values, **named)
            assert set(sentences) <= heard

        return run

    return register


def hear(text, *sentences):
    """Assert that a text contains some sentences, with any values in place of {}."""
    for sentence in sentences:
        assert pattern(sentence).search(text), text
        heard.add(sentence)


def followed() -> set[str]:
    """Return the sentences of each `advises`, read from the source: some of these tests import TensorFlow."""
    found: set[str] = set()
    for file in sorted(Path(__file__).parent.rglob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for mark in node.decorator_list:
                    if isinstance(mark, ast.Call) and getattr(mark.func, "id", "") == "advises":
                        found.update(map(ast.literal_eval, mark.args))
    return found
