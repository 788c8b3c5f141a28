"""The files below an image root, read once: what a folder contains, and which files have a similar name."""

import html
import os
import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote

from automm.data.download.urls import SUFFIXES

SKIPPED = "__MACOSX"  # folders that a zip file from a Mac contains: no pictures, but files with their names

# Pictures in formats that are not read: of phones, of cameras, drawings.
UNREAD = tuple(
    re.findall(
        r"\S+",
        ".heic .heif .hif .jxl .jp2 .svg .svgz .psd .xcf .eps .ico .tga "
        ".raw .dng .cr2 .cr3 .nef .arw .orf .rw2 .raf .pef .srw",
    )
)

# Formats that are read: those of `SUFFIXES`, and other extensions of JPEG.
PICTURES = (*SUFFIXES, ".jfif", ".jpe")

_UNSEEN = re.compile(r"[+&]|  | [./]|/ |^ | $")
_WITHOUT_WIDTH = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
_AROUND = re.compile(r" *([./]) *")
_DIGITS = re.compile(r"([0-9]+)")

Index = dict[str, tuple[str, ...]]


def fold(path: str) -> str:
    """Return what spellings of one path share: no upper case, one Unicode normal form, no %20 quoting."""
    if path.isascii() and "%" not in path:
        return path.lower()
    return composed(composed(unquote(path)).casefold())


def loose(path: str) -> str:
    """Return what spellings of one path share that a person does not see, beyond `fold`.

    These are spaces around names and before extensions, marks without width, + for a space, and &amp; for &.
    """
    text = fold(path)
    if text.isascii() and text.isprintable() and not _UNSEEN.search(text):
        return text
    text = _WITHOUT_WIDTH.sub("", html.unescape(text).replace("+", " "))
    return _AROUND.sub(r"\1", " ".join(text.split()))


def composed(text: str) -> str:
    """Return a text in the composed Unicode normal form (NFC); macOS writes file names decomposed."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def natural(name: str) -> list[tuple[int, str]]:
    """Return a sort key that orders numbers inside names by value: 2.jpg before 10.jpg."""
    key = []
    for place, part in enumerate(_DIGITS.split(name)):
        digits = part.lstrip("0") if place % 2 else part  # every second part is a number
        key.append((len(digits) if place % 2 else 0, digits))  # by length, because int() refuses thousands of digits
    return [*key, (0, name)]


def is_picture(name: str) -> bool:
    """Return whether a file name ends like a picture's."""
    return name.rstrip().lower().endswith(PICTURES)


def is_unread(name: str) -> bool:
    """Return whether a file name ends like that of a picture in a format that is not read, such as HEIC."""
    return name.lower().endswith(UNREAD)


def without_suffix(path: str) -> str:
    """Return a path without the extension of a picture, whether or not its format is read."""
    return path.rpartition(".")[0] if is_picture(path) or is_unread(path) else path


class ImageTree:
    """The files below a folder. They are read once, when the first question needs them.

    Hidden files and folders are skipped. A link to a folder is not followed, and a link to a file counts only if the
    file is inside the root.

    Args:
        root: the folder, without symbolic links; it need not exist.

    Attributes:
        unreadable: the folders that could not be read, relative to the root; filled by reading.
    """

    def __init__(self, root: Path):
        self.root = root
        self.unreadable: list[str] = []

    @cached_property
    def folders(self) -> dict[str, list[str]]:
        """The names of the files of each folder; the folder is relative to the root, "" for the root itself."""
        found: dict[str, list[str]] = {}
        waiting = [""]
        while waiting:
            folder = waiting.pop()
            files: list[str] = []
            try:
                with os.scandir(self.root / folder) as entries:
                    for entry in entries:
                        if entry.name.startswith(".") or entry.name == SKIPPED:
                            continue
                        if entry.is_dir(follow_symlinks=False):
                            waiting.append(f"{folder}/{entry.name}" if folder else entry.name)
                        elif entry.is_file(follow_symlinks=False) or (entry.is_symlink() and self._is_inside(entry)):
                            files.append(entry.name)
            except OSError:
                self.unreadable.append(folder)
            found[folder] = files
        return found

    def below(self, folder: Path) -> "ImageTree":
        """Return the tree of a folder in this one, which is not read again."""
        tree, inside = ImageTree(folder), folder.relative_to(self.root).as_posix().removeprefix(".")
        begin = f"{inside}/" if inside else ""
        folders = {path: files for path, files in self.folders.items() if f"{path}/".startswith(begin)}
        tree.folders = {path[len(begin) :]: files for path, files in folders.items()}
        return tree

    def _is_inside(self, link: "os.DirEntry[str]") -> bool:
        try:
            return link.is_file() and Path(os.path.realpath(link.path)).is_relative_to(self.root)
        except OSError:
            return False

    @cached_property
    def files(self) -> list[str]:
        """The paths of all files relative to the root, with slashes, in natural order inside each folder."""
        return [
            f"{folder}/{name}" if folder else name
            for folder in sorted(self.folders)
            for name in sorted(self.folders[folder], key=natural)
        ]

    def in_folder(self, folder: str) -> list[str]:
        """Return the paths of the files directly in a folder, in natural order; [] if there is no such folder.

        The folder may be written in another Unicode normal form than on disk.
        """
        paths = [
            f"{actual}/{name}" if actual else name
            for actual in self._composed_folders.get(composed(folder), ())
            for name in self.folders[actual]
        ]
        return sorted(paths, key=natural)

    def by_path(self, path: str) -> tuple[str, ...]:
        """Return the files with this path, whatever the case, the Unicode normal form, the quoting and the spaces."""
        return self._paths.get(loose(path), ())

    def by_stem(self, path: str) -> tuple[str, ...]:
        """Return the pictures whose path without its extension is this path, compared like `by_path`."""
        return self._stems.get(loose(path), ())

    def by_name(self, name: str) -> tuple[str, ...]:
        """Return the files with this name in any folder, compared like `by_path`."""
        return self._names.get(loose(name), ())

    def by_name_stem(self, name: str) -> tuple[str, ...]:
        """Return the pictures in any folder whose name without its extension is this name, compared like `by_path`."""
        return self._name_stems.get(loose(name), ())

    def unread_like(self, name: str) -> str | None:
        """Return a picture of the same name in a format that is not read, such as photos/1.heic for 1.jpg."""
        return next(iter(self._unread.get(loose(without_suffix(name.replace("\\", "/").rpartition("/")[2])), ())), None)

    def has_folder(self, folder: str) -> bool:
        """Return whether there is such a folder, compared like `by_path`."""
        return fold(folder) in self._folded_folders

    def like_folder(self, folder: str) -> list[str]:
        """Return the paths of the files directly in all folders like this one, compared like `by_path`."""
        paths = [
            f"{actual}/{name}" if actual else name
            for actual in self._folded_folders.get(fold(folder), ())
            for name in self.folders[actual]
        ]
        return sorted(paths, key=natural)

    def unused(self, named: Iterable[str]) -> list[str]:
        """Return the pictures that are not among `named`, which are paths relative to the root."""
        used = set(named)
        return [path for path in self.files if path not in used and is_picture(path)]

    @cached_property
    def unread(self) -> list[str]:
        """The paths of the pictures in formats that are not read, relative to the root."""
        return [path for path in self.files if is_unread(path)]

    @cached_property
    def _unread(self) -> Index:
        return _index(self.unread, lambda path: loose(without_suffix(path.rpartition("/")[2])))

    @cached_property
    def _composed_folders(self) -> Index:
        return _index(self.folders, composed)

    @cached_property
    def _folded_folders(self) -> Index:
        return _index(self.folders, fold)

    @cached_property
    def _paths(self) -> Index:
        return _index(self.files, loose)

    @cached_property
    def _stems(self) -> Index:
        return _index(filter(is_picture, self.files), lambda path: loose(without_suffix(path)))

    @cached_property
    def _names(self) -> Index:
        return _index(self.files, lambda path: loose(path.rpartition("/")[2]))

    @cached_property
    def _name_stems(self) -> Index:
        return _index(filter(is_picture, self.files), lambda path: loose(without_suffix(path.rpartition("/")[2])))


def _index(paths: Iterable[str], key_of: Callable[[str], str]) -> Index:
    lists: dict[str, list[str]] = {}
    for path in paths:
        lists.setdefault(key_of(path), []).append(path)
    return {key: tuple(same) for key, same in lists.items()}
