"""The picture files near the records, and the folder that the names in a column are relative to."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from automm.data.images.tree import ImageTree, fold, is_picture
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


@dataclass(frozen=True)
class Located:
    """Where the pictures of some names are.

    Attributes:
        root: the folder that the names are relative to, or the one that holds the files.
        share: the share of the names that are a file there.
        files: the files that were found, absolute.
    """

    root: Path
    share: float = 0.0
    files: frozenset[str] = frozenset()


class Nearby:
    """The picture files below the folder of the records; if there are none, also those in folders beside it.

    Args:
        folder: the folder of the records.
    """

    def __init__(self, folder: Path):
        self.folder = folder.absolute()

    @cached_property
    def trees(self) -> list[ImageTree]:
        """The file trees that hold the pictures."""
        own = ImageTree(self.folder.resolve())
        if any(map(is_picture, own.files)):
            return [own]
        return [tree for tree in map(ImageTree, self._beside()) if any(map(is_picture, tree.files))]

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

    def relative(self, file: str) -> str:
        """Return a path relative to the folder of the records' parent, for people and for patterns."""
        parent = self.folder.resolve().parent.as_posix().rstrip("/") + "/"
        return file.removeprefix(parent)

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        names: dict[str, list[str]] = {}
        for file in self.pictures:
            names.setdefault(fold(file.rpartition("/")[2]), []).append(file)
        return names

    @property
    def _is_own(self) -> bool:
        return bool(self.trees) and self.trees[0].root == self.folder.resolve()

    def exist(self, names: Sequence[str]) -> bool:
        """Return whether most of some names are, as they are written, paths of files."""
        names = names[:: len(names) // MOST_NAMES + 1]
        whole = [parts for name in names if (parts := _parts(name))]
        hits = [any(count == len(parts) for _, count in self._matches(parts)) for parts in whole]
        return 2 * sum(hits) > len(names) > 0

    def locate(self, names: Sequence[str]) -> Located:
        """Return the folder that most of some picture names are relative to, whatever folders they begin with."""
        names = names[:: len(names) // MOST_NAMES + 1]
        votes: Counter[str] = Counter()
        partial: Counter[str] = Counter()
        found: dict[str, list[str]] = {}
        for name in names:
            parts = _parts(name)
            if not parts:
                continue
            matches = self._matches(parts)
            if not matches:
                continue
            tail = max(count for _, count in matches)
            found[name] = [file for file, count in matches if count == tail]
            for file in found[name]:
                root = "/".join(file.split("/")[:-tail])
                partial[root] += 1
                if tail == len(parts):
                    votes[root] += 1
        if not found:
            return Located(self.folder.resolve())
        whole = max(votes.items(), key=_by_votes, default=("", 0))
        if whole[1] <= len(found) / 2:
            whole = max(partial.items(), key=_by_votes)
        root = whole[0]
        if whole[1] <= len(found) / 2:  # bare names in many folders
            root = common_folder(file for files in found.values() for file in files)
        inside = {name: [file for file in files if file.startswith(root + "/")] for name, files in found.items()}
        files = frozenset(files[0] for files in inside.values() if files)
        return Located(Path(root or "/"), sum(bool(inside.get(name)) for name in names) / len(names), files)

    def _matches(self, parts: Sequence[str]) -> list[tuple[str, int]]:
        """Return the files with the last part as their name, and how many of the last parts agree."""
        files = self._by_name.get(fold(parts[-1]), ())
        folded = [fold(part) for part in reversed(parts)]
        return [(file, _agreement(file, folded)) for file in files]

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


def _parts(name: str) -> list[str]:
    """Return the parts of a path of any system: C:\\Users\\x\\a.jpg, /content/a.jpg, ./img/../img/a.jpg."""
    path = name.strip().replace("\\", "/")
    parts: list[str] = []
    for part in path.split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in ("", ".", "..") and not (not parts and len(part) == 2 and part[1] == ":"):
            parts.append(part)
    return parts


def _agreement(file: str, folded: Sequence[str]) -> int:
    """Return how many of the last parts of a path agree with folded parts, the last one first."""
    count = 0
    for part, expected in zip(reversed(file.split("/")), folded, strict=False):
        if fold(part) != expected:
            break
        count += 1
    return count


def _by_votes(vote: tuple[str, int]) -> tuple[int, bool, int]:
    root, count = vote
    return count, not names_thumbnail(f"{root}/"), -root.count("/")


def common_folder(files: Iterable[str]) -> str:
    folders = [PurePosixPath(file).parent.as_posix() for file in files]
    first, last = min(folders).split("/"), max(folders).split("/")
    count = next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return "/".join(first[:count])
