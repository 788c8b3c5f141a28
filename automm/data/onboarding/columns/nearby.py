"""The picture files near the records, and the folder that the names in a column are relative to."""

import math
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from automm.data.images.missing_hints import AbsentError, OutsideError
from automm.data.images.root import ImageRoot
from automm.data.images.tree import ImageTree, is_picture, is_unread, loose, natural, without_suffix
from automm.data.layouts.files import split_named
from automm.data.onboarding.columns.names import names_thumbnail, words_of

TABLES = (".csv", ".tsv", ".jsonl", ".json", ".parquet", ".xlsx")
MOST_INNER = 30  # folders in a folder that are searched for tables
MOST_WORDS = 3  # of the name of a folder of pictures, such as train_images
_PICTURES = frozenset(["image", "images", "img", "imgs", "photo", "photos", "pictures", "pics", "posters", "jpg"])
# Names of folders that hold a part of a data set, whose other parts are beside it.
_PARTS = frozenset(
    re.findall(r"[a-z]+", "dist data csv tables annotations labels metadata meta json text texts splits train val test")
)
MOST_NAMES = 2_000  # names of a column that are searched
MOST_FILES = 100  # files of one name
_LAST = chr(0x10FFFF)


@dataclass(frozen=True)
class Located:
    """Where the pictures of some names are.

    Attributes:
        root: the folder that the names are relative to, or the one that holds the files.
        share: the share of the names that are a file there.
        files: the files that were found, absolute.
        rivals: other folders in which as many of the names are files.
        ambiguous: whether files end like the names, but none is the only one for its name, or has only one name.
    """

    root: Path
    share: float = 0.0
    files: frozenset[str] = frozenset()
    rivals: tuple[str, ...] = ()
    ambiguous: bool = False


class Nearby:
    """The picture files below the folder of the records; if there are none, also those in folders beside it.

    Args:
        folder: the folder of the records.
        split: the split that the records are named after; its folders are preferred where several have the same names.
    """

    def __init__(self, folder: Path, split: str | None = None):
        self.folder = folder.absolute()
        self.split = split

    @cached_property
    def trees(self) -> list[ImageTree]:
        """The file trees that hold the pictures."""
        own = ImageTree(self.folder.resolve())
        if _holds_pictures(own):
            return [own]
        return [tree for tree in map(ImageTree, self._beside()) if _holds_pictures(tree)]

    def _beside(self) -> list[Path]:
        """Return folders beside the records' folder that may hold its pictures: without a table of their own."""
        parent = self.folder.resolve().parent
        if parent in (Path.home(), Path("/"), Path("/tmp"), Path("/home")):
            return []
        try:
            folders = sorted(one for one in parent.iterdir() if one.is_dir() and not one.is_symlink())
        except OSError:
            return []
        others = [one for one in folders if one != self.folder.resolve() and not one.name.startswith((".", "__"))]
        if self.folder.resolve().name.lower() not in _PARTS:
            others = [one for one in others if _is_named_after_pictures(one.name)]
        return [one for one in others if not _has_tables(one)]

    @cached_property
    def pictures(self) -> list[str]:
        """The absolute paths of all picture files, with slashes; smaller copies of other pictures are left out."""
        files = [f"{tree.root.as_posix()}/{path}" for tree in self.trees for path in tree.files if is_picture(path)]
        full = [file for file in files if not names_thumbnail(self.relative(file))]
        return full or files

    @cached_property
    def unread(self) -> list[str]:
        """The absolute paths of all picture files in formats that are not read and that have no readable copy."""
        copies = {without_suffix(file) for file in self.pictures}
        files = [f"{tree.root.as_posix()}/{path}" for tree in self.trees for path in tree.unread]
        return [file for file in files if without_suffix(file) not in copies]

    def tree_of(self, folder: Path) -> ImageTree:
        """Return the file tree of a folder."""
        around = next((tree for tree in self.trees if folder.is_relative_to(tree.root)), None)
        return ImageTree(folder) if around is None else around.below(folder)

    def relative(self, file: str) -> str:
        """Return a path relative to the folder of the records' parent, for people and for patterns."""
        parent = self.folder.resolve().parent.as_posix().rstrip("/") + "/"
        return file.removeprefix(parent)

    @cached_property
    def _backwards(self) -> list[tuple[str, str]]:
        """The folded paths of the pictures from the last part to the first, sorted, with the pictures.

        Without extensions, in which names and files may differ.
        """
        return sorted((_backward(_stem(loose(file)).split("/")), file) for file in (*self.pictures, *self.unread))

    @property
    def _is_own(self) -> bool:
        return bool(self.trees) and self.trees[0].root == self.folder.resolve()

    def exist(self, names: Sequence[str]) -> bool:
        """Return whether most of some names are, as they are written, paths of files."""
        names = names[:: len(names) // MOST_NAMES + 1]
        return 2 * sum(bool(self.ending_with(name)) for name in names) > len(names) > 0

    def ending_with(self, name: str) -> list[str]:
        """Return the pictures whose path ends with all parts of a name; at most `MOST_FILES` of them."""
        parts = parts_of(name)
        files, tail = self._matches(parts)
        if tail < len(parts):
            return []
        return [file for file in files if _same_name(file, parts[-1])] or files

    def locate(self, names: Sequence[str]) -> Located:
        """Return the folder in which `ImageRoot`, which `automm check` uses, finds most of some picture names."""
        names = names[:: len(names) // MOST_NAMES + 1]
        whole: Counter[str] = Counter()  # how many names are whole paths relative to a folder
        partial: Counter[str] = Counter()  # how many are, without their first folders
        found: dict[str, list[str]] = {}
        for name in dict.fromkeys(names):
            parts = parts_of(name)
            files, tail = self._matches(parts)
            for root in {"/".join(file.split("/")[:-tail]) for file in files}:
                partial[root] += 1
                whole[root] += tail == len(parts)
            if files:
                found[name] = files
        if not found:
            return Located(self.folder.resolve())
        root = self._most(whole)
        files_of = {name: path for name in found if (path := self._inside(root, name)) is not None}
        if len(files_of) < len(found):
            shared = common_folder(file for files in found.values() for file in files)
            others = [self._most(partial), *([shared] if self._is_below(shared) or not files_of else [])]
            for other in dict.fromkeys([root, *others]):
                more = _located(other, found)
                if len(more) > len(files_of):
                    root, files_of = other, more
        least = max(whole[root], len(files_of)) if whole[root] else math.inf
        alike = [one for one, votes in whole.items() if votes >= least and one != root]
        rivals = tuple(sorted(one for one in alike if not names_thumbnail(f"{one}/")))
        share = sum(name in files_of for name in names) / len(names)
        return Located(Path(root or "/"), share, frozenset(files_of.values()), rivals, not files_of)

    def _most(self, votes: Counter[str]) -> str:
        """Return the folder with the most votes; of several, no thumbnails, and the one of the records' split."""

        def rank(root: str) -> tuple[int, bool, bool, int]:
            of_split = self.split is not None and is_of_split(self.relative(root), self.split)
            return votes[root], not names_thumbnail(f"{root}/"), of_split, -root.count("/")

        return max(sorted(votes, key=natural), key=rank)

    def _inside(self, root: str, name: str) -> str | None:
        """Return the one picture whose path relative to a folder is a name; None if there is none, or several."""
        parts = parts_of(name)
        files = [file for file in self._matches(parts)[0] if file.count("/") == root.count("/") + len(parts)]
        inside = [file for file in files if file.startswith(root + "/") and _same_name(file, parts[-1])]
        return inside[0] if len(inside) == 1 else None

    def _is_below(self, folder: str) -> bool:
        return any(f"{folder}/".startswith(f"{tree.root.as_posix()}/") for tree in self.trees)

    def _matches(self, parts: Sequence[str]) -> tuple[list[str], int]:
        """Return the pictures that agree with a name in most of its last parts, and in how many.

        More than `MOST_FILES` say nothing about the place of a name, such as 0.jpg in the folders of all records.
        """
        folded = _stem(loose("/".join(parts))).split("/")
        for tail in range(len(parts), 0, -1):
            begin = _backward(folded[-tail:])
            first = bisect_left(self._backwards, (begin,))
            last = bisect_left(self._backwards, (begin + _LAST,), first)
            if last > first:
                few = last - first <= MOST_FILES
                return [file for _, file in self._backwards[first:last]] if few else [], tail
        plain = re.split(r"[?#]", parts[-1], maxsplit=1)[0] if parts else ""
        return self._matches([*parts[:-1], plain]) if plain and plain != parts[-1] else ([], 0)

    def unused(self, used: Iterable[str]) -> dict[str, int]:
        """Return how many pictures are not among `used`, by their folder relative to that of the records."""
        taken = set(used)
        if not self._is_own and not any(file in taken for file in self.pictures):
            return {}  # folders beside the records' folder, which the records may have nothing to do with
        counts: Counter[str] = Counter()
        base = self.folder.resolve().as_posix().rstrip("/") + "/"
        beside = self.folder.resolve().parent.as_posix().rstrip("/") + "/"
        for file in self.pictures:
            if file not in taken:
                inside = file.removeprefix(base) if file.startswith(base) else f"../{file.removeprefix(beside)}"
                top = inside.split("/")
                counts["/".join(top[: 2 if top[0] == ".." else 1]) if len(top) > 1 else "."] += 1
        return dict(counts.most_common())


def _holds_pictures(tree: ImageTree) -> bool:
    return any(is_picture(path) or is_unread(path) for path in tree.files)


def _is_named_after_pictures(folder: str) -> bool:
    words = words_of(folder)
    return len(words) <= MOST_WORDS and bool(_PICTURES.intersection(words[-1:]))


def _has_tables(folder: Path) -> bool:
    """Return whether a folder, or a folder in it, has a table: it belongs to another data set."""
    try:
        inside = list(folder.iterdir())
        inside += [one for inner in inside[:MOST_INNER] if inner.is_dir() for one in inner.iterdir()]
    except OSError:
        return True
    return any(one.suffix.lower() in (*TABLES, ".yaml") for one in inside)


def parts_of(name: str) -> list[str]:
    """Return the parts of a path of any system: C:\\Users\\x\\a.jpg, /content/a.jpg, ./img/../img/a.jpg."""
    path = name.strip().replace("\\", "/")
    parts: list[str] = []
    for part in path.split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in ("", ".", "..") and not (not parts and len(part) == 2 and part[1] == ":"):
            parts.append(part)
    return parts


def is_of_split(path: str, split: str) -> bool:
    """Return whether a folder of a path is named after a split: images/val/1.jpg, val2017/1.jpg."""
    words = (word for folder in path.split("/") for word in words_of(folder))
    return any(split_named(word) == split for word in words)


def _stem(path: str) -> str:
    """Return a path without all extensions of pictures: a.jpg.jpg, a.jpg and a."""
    while (stem := without_suffix(path)) != path:
        path = stem
    return path


def _same_name(file: str, name: str) -> bool:
    return loose(file.rpartition("/")[2]) == loose(name)


def _backward(parts: Sequence[str]) -> str:
    return "/".join(reversed(parts)) + "/"


def _located(root: str, names: Iterable[str]) -> dict[str, str]:
    """Return the file of each name that is found in a folder, by the rules of `automm check`."""
    folder = ImageRoot(Path(root or "/"), lambda: names)
    files: dict[str, str] = {}
    for name in names:
        with suppress(AbsentError, OutsideError):
            files[name] = folder.locate(name)[0].as_posix()
    return files


def common_folder(files: Iterable[str]) -> str:
    folders = [PurePosixPath(file).parent.as_posix() for file in files]
    first, last = min(folders).split("/"), max(folders).split("/")
    count = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return "/".join(first[:count])
