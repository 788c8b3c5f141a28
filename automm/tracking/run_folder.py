"""The run folder: the complete record of a search. MLflow and the leaderboard are made from it.

runs/<experiment>/<time>-<hash>/
    config.yaml         the resolved experiment
    environment.json    versions, host, commit
    manifest.json       the data and encoders of the run, with their fingerprints
    judged_rows.npz     ids, targets, units and folds of the reviews that candidates are judged on
    trials.jsonl        a line per finished baseline and trial, written to disk before MLflow gets it
    parity.json         the comparisons of whole models with the models on features (`finalists/parity`)
    latency.json        milliseconds a review, with `budget.latency` (`cost/latency`)
    result.json         written at the end: finalists, test metrics, scores while modalities are missing
    judged.npz          written at the end: what all candidates answered for the judged reviews (`packed_answers`)
    test.npz            the same for the test split, of the candidates that read it
    test_reads.json     how often the test split was read, counted before each reading
    spent.json          the seconds that all sessions of the search have used
    ended.json          how the last session ended, as MLflow was told; absent while one runs or if it was killed
    missing.png         a plot of the scores while modalities are missing
    folds/              scores of finalists on the folds after the first, if the manifest has cross-validation folds
    log.txt
    candidates/         models that can be exported, and each candidate's predictions for the validation rows
    tuner/              working files of KerasTuner
    workers/            output of worker processes, and results that are not yet in trials.jsonl
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from automm.data.files import write_atomically
from automm.errors import ConfigError, DataError, NotFoundError
from automm.paths import runs_flag
from automm.tasks.classification import MANY
from automm.tracking.judged_rows import JudgedRows
from automm.tracking.plain_json import plain

COMPLETED, FAILED, KILLED = "COMPLETED", "FAILED", "KILLED"
BOOKKEEPING = "tuner/"  # prefix of entries that KerasTuner adds to a candidate's hyperparameters
MISSING_FIGURE = "missing.png"
PARITY = "parity.json"
EPOCHS = BOOKKEEPING + "epochs"  # the epochs that Hyperband gave a trial
PROPOSED_BY = BOOKKEEPING + "proposed_by"  # how a proposal names its proposer on its way to `Candidate.proposed_by`
MEMBER = "ensemble/"  # prefix of an ensemble's members in its hyperparameters
PARTIAL = "1 of "  # prefix of an `evaluation` on the first fold only
SEED, PILOT = "seed", "pilot"  # kinds that measure something about another candidate, and have no rank
COPIES = {"packed_concatenation": "concatenation"}  # a baseline that is another one's model again: by its name, whose


@dataclass
class Candidate:
    """One baseline or trial: a line of trials.jsonl.

    Attributes:
        name: unique in its run: 'concatenation', 'trial-003'.
        kind: 'baseline', 'trial', 'fine-tuned' or 'ensemble'; 'seed' for a finalist that is trained again with another
            seed, and 'pilot' for a training on the first fold that decides whether all folds are trained.
        tier: 1 if all encoders were frozen, 2 if an encoder was trained.
        evaluation: the rows of its scores: 'holdout' (the validation split), '5 folds', '1 of 5 folds'.
        score: the objective on the validation rows; None if it failed.
        comparable: of an ensemble: the score of the best single candidate, and its lead over it where both are crossed.
        validation: the metrics of the task on the validation rows: the validation split, or out of fold.
        parameters: of the whole model, encoders included; `trainable_parameters` counts the trained ones.
        peak_memory: of the process so far, in bytes. `batch_size`: of training, if memory was short; else None.
        stopped: why training ended: 'epochs', 'patience', 'time', 'behind' (its score was worse than other trials'),
            'round' (Hyperband gave it fewer than all epochs), or '' if nothing was trained.
        history: one entry per epoch.
        error: the cause in words, then the traceback; '' if it completed.
        started: UTC, ISO 8601.
        proposed_by: 'portfolio' or the tuner's name for a trial ('random' also in place of a proposal that repeats a
            point), 'baseline', 'fine-tuning', 'ensemble', 'seed'; '' in older runs.
        decision: a bias for each class, added to the logarithms of its probabilities; the largest sum is the label. []
            if the most probable label is.
    """

    name: str
    kind: str
    status: str
    tier: int = 1
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    objective: str = ""
    evaluation: str = ""
    score: float | None = None
    comparable: float | None = None
    validation: dict[str, float] = field(default_factory=dict)
    parameters: int = 0
    trainable_parameters: int = 0
    seconds: float = 0.0
    peak_memory: int = 0
    best_epoch: int = 0
    batch_size: int | None = None
    stopped: str = ""
    history: list[dict[str, float]] = field(default_factory=list)
    error: str = ""
    started: str = ""
    proposed_by: str = ""
    decision: list[float] = field(default_factory=list)

    @property
    def ranked_by(self) -> float:
        """The objective that a ranking compares."""
        return float(self.score or 0.0) if self.comparable is None else self.comparable

    @property
    def members(self) -> dict[str, float]:
        """The weights of an ensemble's members by name; {} for any other candidate."""
        weights = self.hyperparameters.items()
        return {name.removeprefix(MEMBER): weight for name, weight in weights if name.startswith(MEMBER)}

    @property
    def point(self) -> dict[str, Any]:
        """The hyperparameters without KerasTuner's entries."""
        return point_of(self.hyperparameters)


def point_of(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return hyperparameters without KerasTuner's entries."""
    return {name: value for name, value in values.items() if not name.startswith(BOOKKEEPING)}


def now() -> str:
    """Return the current time in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def rank(candidates: Sequence[Candidate], direction: str) -> list[Candidate]:
    """Return the completed candidates, best first; of equal scores, ensembles first, then fewer parameters, then the
    earlier one.

    Candidates scored on a part of the rows come last: their scores are not comparable. A trial that Hyperband stopped
    after a round and promoted is left out: its longer training includes the same epochs. Pilots and second seeds are
    left out, and copies of completed candidates (COPIES).

    Args:
        direction: of the objective, "max" or "min".
    """
    sign = -1.0 if direction == "max" else 1.0
    done = [c for c in candidates if c.status == COMPLETED and c.score is not None and c.kind not in (SEED, PILOT)]
    names = {candidate.name for candidate in done}
    done = [candidate for candidate in done if COPIES.get(candidate.name) not in names]
    longest: dict[str, int] = {}
    for candidate in done:
        key, epochs = json.dumps(candidate.point, sort_keys=True), candidate.hyperparameters.get(EPOCHS, 0)
        longest[key] = max(epochs, longest.get(key, 0))
    done = [
        candidate
        for candidate in done
        if candidate.stopped != "round"
        or candidate.hyperparameters[EPOCHS] == longest[json.dumps(candidate.point, sort_keys=True)]
    ]
    return sorted(
        done, key=lambda c: (is_partial(c.evaluation), sign * c.ranked_by, c.kind != "ensemble", c.parameters)
    )


def is_partial(evaluation: str) -> bool:
    """Return whether an evaluation used only a part of the rows that the others used."""
    return evaluation.startswith(PARTIAL)


class Run:
    """A run folder: reads and writes its files."""

    def __init__(self, folder: Path):
        self.folder = folder

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def experiment(self) -> str:
        return self.folder.parent.name

    @property
    def candidates_folder(self) -> Path:
        return self.folder / "candidates"

    def model_path(self, name: str) -> Path:
        """Return the path of a candidate's trained suffix, or of its whole model if it was trained end to end."""
        return self.candidates_folder / f"{name}.keras"

    def predictions_path(self, name: str) -> Path:
        """Return the path of a candidate's answers for the validation rows, (rows, outputs), as in `stored`."""
        return self.candidates_folder / f"{name}.npy"

    def save_predictions(self, name: str, probabilities: np.ndarray) -> None:
        np.save(self.predictions_path(name), stored(probabilities), allow_pickle=False)

    def predictions(self, name: str) -> np.ndarray | None:
        """Load a candidate's answers, (rows, outputs) float32; None if the file is missing or incomplete."""
        try:
            return np.asarray(np.load(self.predictions_path(name), allow_pickle=False)).astype(np.float32, copy=False)
        except (OSError, ValueError, EOFError):
            return None

    def judged_rows(self) -> JudgedRows | None:
        """Return the reviews of the rows of `predictions`; None for a run of an earlier version."""
        return JudgedRows.read(self.folder)

    def append(self, candidate: Candidate) -> None:
        """Append a line to trials.jsonl, and wait until it is on disk."""
        line = json.dumps(plain(asdict(candidate)), ensure_ascii=False) + "\n"
        with (self.folder / "trials.jsonl").open("a", encoding="utf-8") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def candidates(self) -> list[Candidate]:
        """Return every finished candidate, in order. An incomplete last line, left by a crash, is ignored.

        Raises:
            DataError: another line is not a candidate of this version.
        """
        path = self.folder / "trials.jsonl"
        if not path.is_file():
            return []
        lines = path.read_bytes().split(b"\n")  # bytes: a crash may cut a character in two
        candidates = []
        for number, line in enumerate(lines[:-1], 1):
            try:
                candidates.append(self.candidate(line))
            except (ValueError, TypeError) as error:
                raise DataError(
                    f"{path}:{number}: not a candidate of this automm ({error}). Use the version that wrote the file"
                ) from error
        return candidates

    @staticmethod
    def candidate(line: bytes) -> Candidate:
        """Return the candidate of a line of trials.jsonl, or of a file with one such line.

        Raises:
            ValueError, TypeError: it is not a candidate.
        """
        return Candidate(**json.loads(line))

    def repair(self) -> None:
        """Remove an incomplete last line, left by a crash; the next line would be appended to it."""
        path = self.folder / "trials.jsonl"
        if path.is_file():
            content = path.read_bytes()
            whole = content[: content.rfind(b"\n") + 1]
            if whole != content:
                write_atomically(path, whole)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder for one process. The lock ends with the process, even after a crash.

        Raises:
            ConfigError: another process uses the folder.
        """
        with (self.folder / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise ConfigError(f"run {self.name} is in use by another process. Wait for it, or stop it") from error
            yield

    def reopen(self) -> None:
        """Continue the run: remove the result and the status of the last session, and keep the count of test reads."""
        if reads := self.test_reads():
            self.write("test_reads.json", {"test_reads": reads})
        for name in ("result.json", "ended.json"):
            (self.folder / name).unlink(missing_ok=True)

    def test_reads(self) -> int:
        """Return how often the test split of this run was read."""
        # Older runs have the count in their result, which a resume renamed to result-before.json.
        names = ("test_reads.json", "result.json", "result-before.json")
        return max(int(self.read(name).get("test_reads", 0)) for name in names)

    def count_test_read(self) -> int:
        """Count one more reading of the test split, before it begins: a killed search has read it too."""
        reads = self.test_reads() + 1
        self.write("test_reads.json", {"test_reads": reads})
        return reads

    def read(self, name: str) -> dict[str, Any]:
        """Read a JSON file of the run; {} if it does not exist."""
        path = self.folder / name
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}

    def write(self, name: str, content: dict[str, Any]) -> None:
        """Write a JSON file of the run; an interrupted write leaves the old file."""
        write_atomically(self.folder / name, json.dumps(plain(content), indent=2, ensure_ascii=False).encode())


def stored(answers: np.ndarray) -> np.ndarray:
    """Return answers, (rows, outputs), as they are stored: float32, and float16 for more than MANY classes."""
    return answers.astype(np.float16 if answers.shape[1] > MANY else np.float32)


def create_run(runs_dir: Path, experiment: str, digest: str) -> Run:
    """Create a new folder runs_dir/experiment/<time>-<hash>.

    Args:
        digest: a hash of the resolved experiment; the name has its first six digits.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")  # UTC: a change to winter time must not reorder runs
    for number in range(1000):
        suffix = digest[:6] if number == 0 else f"{digest[:6]}-{number}"
        folder = runs_dir / experiment / f"{stamp}-{suffix}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        (folder / "candidates").mkdir()
        return Run(folder)
    raise NotFoundError(f"{runs_dir / experiment}: no free folder name for a run. Try again")


def all_runs(runs_dir: Path, experiment: str | None = None) -> Iterator[Run]:
    """Yield the runs of one experiment, or of all experiments, oldest first."""
    for path in sorted(runs_dir.glob("*/*/config.yaml"), key=lambda path: path.parent.name):
        run = Run(path.parent)
        if experiment is None or run.experiment == experiment:
            yield run


def find_run(runs_dir: Path, wanted: str) -> Run:
    """Find a run by its folder, name, a unique prefix of the name, or MLflow run id; 'latest' is the newest.

    Raises:
        NotFoundError: no run matches, or several do.
    """
    if (Path(wanted) / "config.yaml").is_file():
        return Run(Path(wanted).resolve())
    runs = list(all_runs(runs_dir))
    if wanted == "latest" and runs:
        return runs[-1]
    matches = [run for run in runs if run.name == wanted or run.read("tracking.json").get("run_id") == wanted]
    matches = matches or [run for run in runs if run.name.startswith(wanted)]
    if len(matches) == 1:
        return matches[0]
    if not runs:
        flag = runs_flag(runs_dir)
        raise NotFoundError(f"{wanted!r}: no runs under {runs_dir}. Start one: automm search MANIFEST{flag}")
    problem = "is the beginning of several runs" if matches else "is not a run"
    shown = ", ".join(run.name for run in (matches or runs)[-5:])
    raise NotFoundError(f"{wanted!r} {problem} under {runs_dir}. Name one of: {shown}")
