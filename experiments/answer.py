"""Question: is the answer of a search better than that of the code before words and trees, than the best hand-built
baseline, and than a logistic regression on everything?

Command:  python experiments/answer.py --data DATA --before CHECKOUT --to experiments/answer.json
          python experiments/answer.py --to experiments/answer.json --report
          --which, --sets and --seeds measure a part. What the JSON file holds already is kept, so that the same command
          goes on where it was stopped. A search uses one thread: start two commands with different parts.
Data:     DATA is a folder with the data sets of `encoder_data.py`; the demo is made. CHECKOUT is the code of commit
          21910f0: git worktree add CHECKOUT 21910f0
Cost:     see `seconds` in the result; the first search of a data set also encodes.
Finding:  see experiments/README.md.

Each seed draws a split (0.6, 0.15, 0.25), and runs a search of 20 trials with the defaults of its code, in a process of
its own. Both sides have the same splits, no limit of time, no fine-tuning and no second seeds: these are the same code
on both sides, and most of the time. Nothing is logged to MLflow. The test split is read once, after the search. Beside
the JSON file, a folder of the same name has for each search the test reviews with their units, the labels that the
choice and each baseline predicted for them, and the probabilities of the choice. The out-of-fold answers of all
candidates are in the folder of --work: the report computes from them what each kind of member and the decision
contribute, once, and keeps it in the JSON file. `answer_report.py` says what the report compares.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml
from answer_report import AFTER, BEFORE, changed, read
from answer_tables import report
from encoder_data import ROOT, SETS, write_manifest

DEMO = "demo"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
ONE_THREAD = dict.fromkeys(THREADS, "1")  # small heads gain little from a second thread; a second search does
ALL_SETS = (*SETS, DEMO)
FRACTIONS = {"train": 0.6, "validation": 0.15, "test": 0.25}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--to", type=Path, required=True, help="a JSON file; what it holds already is kept")
    parser.add_argument("--data", type=Path, help="the folder with the data sets")
    parser.add_argument("--before", type=Path, help="a checkout of the code before")
    parser.add_argument("--which", choices=[BEFORE, AFTER, "both"], default="both")
    parser.add_argument("--sets", nargs="+", choices=ALL_SETS, default=list(ALL_SETS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--set", nargs="+", default=[], metavar="KEY=VALUE", help="of the experiment, for code after")
    parser.add_argument("--report", action="store_true", help="measure nothing, and print the tables")
    parser.add_argument(
        "--work", type=Path, default=Path(tempfile.gettempdir()) / "automm-answer", help="manifests, runs and answers"
    )
    arguments = parser.parse_args()
    if arguments.report:
        report(arguments.to, arguments.work)
        return
    sides = [BEFORE, AFTER] if arguments.which == "both" else [arguments.which]
    if arguments.data is None or (BEFORE in sides and arguments.before is None):
        raise SystemExit("name the data with --data, and the code before with --before")
    code = {BEFORE: arguments.before, AFTER: ROOT}
    failed = []
    for seed in arguments.seeds:
        for name in arguments.sets:
            for side in sides:
                key = f"{side}/{name}/{seed}"
                if not measured(arguments, key) and not measure(arguments, key, code[side].resolve()):
                    failed.append(key)
    if failed:
        raise SystemExit(f"{len(failed)} searches failed: {', '.join(failed)}")


def measured(arguments: argparse.Namespace, key: str) -> bool:
    """Return whether the JSON file has a search; refuse one with other trials or settings."""
    row, wanted = read(arguments.to)["searches"].get(key), settings_of(arguments, key)
    if row is not None and row["settings"] != wanted:
        raise SystemExit(f"{arguments.to}: {key} has {row['settings']}, not {wanted}. Name another file")
    return row is not None


def settings_of(arguments: argparse.Namespace, key: str) -> list[str]:
    """Return what the experiment of a search sets beside what all have."""
    return [f"budget.trials={arguments.trials}", *(arguments.set if key.startswith(AFTER) else [])]


def measure(arguments: argparse.Namespace, key: str, code: Path) -> bool:
    """Run one search in its own process and keep its row; return whether it succeeded."""
    _, name, seed = key.split("/")
    stem = key.replace("/", "-")
    commit = commit_of(code)
    settings = settings_of(arguments, key)
    digest = hashlib.sha256(" ".join([commit, *settings]).encode()).hexdigest()[:6]
    folder = arguments.work / "runs" / f"{stem}-{digest}"  # a search that was stopped is resumed
    folder.mkdir(parents=True, exist_ok=True)
    (arguments.work / "folds").mkdir(exist_ok=True)
    kept = arguments.to.with_suffix("")
    kept.mkdir(exist_ok=True)
    # -P: otherwise the code of the working directory would be imported before that of PYTHONPATH.
    command = [sys.executable, "-P", "-c", "from answer_search import main; main()", "--code", str(code)]
    command += [str(manifest_of(name, int(seed), arguments)), "--seed", seed, "--set", *settings]
    command += ["--runs-dir", str(folder), "--row", str(folder / "row.json"), "--test", str(kept / f"{stem}.npz")]
    command += ["--folds", str(arguments.work / "folds" / f"{stem}.npz")]
    with (folder / "log.txt").open("w") as log:
        environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": f"{code}{os.pathsep}{Path(__file__).parent.resolve()}"}
        ended = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, env=environment, check=False)
    if ended.returncode:
        print(f"{key} failed with {ended.returncode}: see {folder / 'log.txt'}", flush=True)
        return False
    row = json.loads((folder / "row.json").read_text(encoding="utf-8"))
    with changed(arguments.to) as result:
        result["searches"][key] = {"commit": commit, "settings": settings, **row}
    chosen, metric = row["choice"]["name"], row["objective"]
    figures = f"{metric} {row['validation'][chosen][metric]:.3f}, test {row['test'][chosen][metric]:.3f}"
    print(f"{key}: {chosen}, {figures}, {row['seconds']:.0f} s", flush=True)
    return True


def manifest_of(name: str, seed: int, arguments: argparse.Namespace) -> Path:
    """Write the manifest of a data set with the split of a seed, unless --work has it; return its path."""
    work = arguments.work.resolve()
    folder = work / DEMO if name == DEMO else work / "manifests" / f"seed-{seed}"
    path = folder / f"{name}-{seed}.yaml"
    if path.is_file():  # another search may be reading it
        return path
    if name == DEMO:
        from automm.data.demo.generate import write_demo

        source = folder / "manifest.yaml"
        if not source.is_file():
            write_demo(folder)
    else:
        source = write_manifest(name, arguments.data, folder)
    manifest = yaml.safe_load(source.read_text(encoding="utf-8"))
    manifest["splits"] = {**manifest.get("splits", {}), "fractions": FRACTIONS, "seed": seed}
    path.write_text(yaml.safe_dump(manifest, allow_unicode=True, sort_keys=False), encoding="utf-8")
    return path


def commit_of(code: Path) -> str:
    command = ["git", "-C", str(code), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
