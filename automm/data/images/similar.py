"""Find a picture whose name differs a little from its file: case, accents, %20, extension, or leading folders.

A name is matched only if exactly one file fits. What is found so is counted, never silent.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import cached_property
from urllib.parse import unquote

from automm.data.change_kinds import Change
from automm.data.images.missing_hints import AmbiguousNameError, fix_of_name, is_absolute
from automm.data.images.tree import ImageTree, fold, is_picture, is_unread, loose, without_suffix

DEEPEST = 64  # folders of a name that are compared
SHOWN = 3  # files that a message lists


class SimilarNames:
    """Finds files by similar names in a tree.

    Args:
        tree: the files.
        names: returns the names of all records. It is called when a name is found without its first folders: another
            name may end in the same way, and then the order of the records must not decide.
    """

    def __init__(self, tree: ImageTree, names: Callable[[], Iterable[str]] = tuple):
        self.tree, self.names = tree, names

    def find(self, name: str) -> tuple[str, Change] | None:
        """Return the one file that fits a name, relative to the root, and how it differs; None if no file fits.

        Raises:
            AmbiguousNameError: several files fit, or the file fits another name equally well.
        """
        found = self._fitting(name)
        if found is None:
            return None
        path, whole, change = found
        if change is Change.OTHER_EXTENSION and not self._named.isdisjoint(
            {loose(path), loose(path.rpartition("/")[2])}
        ):
            raise AmbiguousNameError(f"is not the only name of the file {path!r}: a record has its own name")
        if whole is not None:
            other = next((one for one in self._shortened.get(path, ()) if fold(one) != fold(whole)), None)
            if other is not None:
                raise AmbiguousNameError(
                    f"is not the only name that ends like the file {path!r}: {other[:120]!r} does too"
                )
        return path, change

    @cached_property
    def _named(self) -> frozenset[str]:
        """The names of all records, in the form of `loose`."""
        return frozenset(loose(name.replace("\\", "/").removeprefix("./")) for name in self.names())

    @cached_property
    def _shortened(self) -> dict[str, tuple[str, ...]]:
        """Up to two different names of the records that each file is found by without their first folders."""
        wholes: dict[str, tuple[str, ...]] = {}
        for name in self.names():
            with suppress(AmbiguousNameError):
                found = self._fitting(name)
                if found is not None and found[1] is not None:
                    known = wholes.get(found[0], ())
                    if len(known) < 2 and all(fold(one) != fold(found[1]) for one in known):
                        wholes[found[0]] = (*known, found[1])
        return wholes

    def _fitting(self, name: str) -> tuple[str, str | None, Change] | None:
        """Return the file that fits a name, the whole name if it fits without its first folders, and the change.

        Raises:
            AmbiguousNameError: several files fit.
        """
        if fix_of_name(name):  # a URL without its scheme, or several names in one
            return None
        found = self._fitting_whole(name)
        plain = re.split(r"[?#]", name, maxsplit=1)[0]  # of a name that was a URL: a.jpg?w=100
        return found if found is not None or plain == name else self._fitting_whole(plain)

    def _fitting_whole(self, name: str) -> tuple[str, str | None, Change] | None:
        absolute = is_absolute(name)
        path = name.replace("\\", "/")  # not unquoted here: `fold` does that, and twice would be once too often
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if not parts or ".." in unquote(path).split("/"):
            return None
        if len(parts) == 1 and not absolute:
            return self._by_name(parts[0], name)
        parts = parts[-DEEPEST:]
        for start in range(len(parts)):
            tail, cut = "/".join(parts[start:]), start > 0 or absolute
            for paths, change in self._at(tail, cut):
                if paths:
                    whole = "/".join(parts) if cut else None
                    return _closest(paths, tail), whole, Change.OTHER_FOLDER if cut else change
            # A folder that exists decides where the picture should be.
            folder = parts[start:-1] if cut else parts[:1]
            if folder and self.tree.has_folder("/".join(folder)):
                return None
        return None

    def _at(self, path: str, cut: bool) -> Iterator[tuple[tuple[str, ...], Change]]:
        """Yield the files at a path by another spelling, without its extension, and with another one."""
        if not is_unread(path):
            yield self.tree.by_path(path), Change.OTHER_SPELLING
        yield self.tree.by_stem(path), Change.NO_EXTENSION
        stem = without_suffix(path)
        if stem != path and (not cut or is_unread(path)):  # a.png for a.jpg; a.jpg for a.jpg.jpg or a.heic
            yield self.tree.by_path(stem) if is_picture(stem) else self.tree.by_stem(stem), Change.OTHER_EXTENSION

    def _by_name(self, bare: str, name: str) -> tuple[str, None, Change] | None:
        """Find a name without a folder: in the root, else in any folder."""
        stem = without_suffix(bare)
        anywhere = (
            () if is_unread(bare) else self.tree.by_name(bare),
            self.tree.by_name_stem(bare),
            (self.tree.by_name(stem) if is_picture(stem) else self.tree.by_name_stem(stem)) if stem != bare else (),
        )
        for paths, change in (*self._at(bare, False), *((paths, Change.OTHER_FOLDER) for paths in anywhere)):
            if paths:
                return _closest(paths, name), None, change
        return None


def _closest(paths: tuple[str, ...], name: str) -> str:
    """Return the path that is spelled most like the name.

    Raises:
        AmbiguousNameError: several are.
    """
    if len(paths) == 1:
        return paths[0]
    depth = name.count("/") + 1
    for spelled in (str, unquote, lambda text: unicodedata.normalize("NFC", unquote(text)), fold):
        same = [path for path in paths if spelled("/".join(path.split("/")[-depth:])) == spelled(name)]
        if len(same) == 1:
            return same[0]
    more = f" and {len(paths) - SHOWN:,} more" if len(paths) > SHOWN else ""
    raise AmbiguousNameError(f"fits several files ({', '.join(map(repr, paths[:SHOWN]))}{more})")
