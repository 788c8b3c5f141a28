"""Decoded pictures on disk: a file of rows of pixels, and a JSON file of notes to identify and verify them."""

import json
import os
import random
import tempfile
import time
import zlib
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import PIL

from automm.data.checksums import damaged_at, is_checked_whole
from automm.data.files import FULL, allocate, in_order, portions, write_at
from automm.data.images.decode import PictureError, UnreachableError, decode_forms, quiet_pillow
from automm.data.images.resampling import PictureForm
from automm.errors import CacheError, CacheFolderError

Progress = Callable[[str, int, int], None]  # (what, done, total)

AT_ONCE = 16  # pictures that a thread takes at a time
ABANDONED = 86_400.0  # seconds without a write after which a temporary file must be left over from a crash
SYNCED = 2**26  # bytes between two syncs to the disk


@dataclass(frozen=True)
class Notes:
    """The content of the JSON file.

    Attributes:
        recipe: how the pictures were decoded.
        size: the side of each picture.
        digests: sha256 of the file that each row was decoded from.
        sums: crc32 of each row.
        malformed: the reason, for each digest whose bytes are no picture. Older notes have `bad` instead. It is
            ignored, because its reasons may come from the machine (too many open files) rather than the bytes.
        written: modification time (ns) of the pixels.
    """

    recipe: str
    size: int
    digests: tuple[str, ...]
    sums: tuple[int, ...]
    malformed: dict[str, str]
    written: int

    @property
    def row_bytes(self) -> int:
        return row_bytes_of(self.size)


def notes_path(store: Path) -> Path:
    return store.with_suffix(".json")


def count_of(store: Path) -> int | None:
    """Return the number of pictures in a file; None if its notes are absent or damaged."""
    notes = _read(store)
    return None if notes is None else len(notes.digests)


def open_pictures(store: Path) -> Notes | None:
    """Verify stored pictures, and return their notes; None if they are absent, truncated or damaged."""
    notes = _read(store)
    if notes is None:
        return None
    try:
        with store.open("rb") as file:
            whole = os.fstat(file.fileno()).st_size == len(notes.sums) * notes.row_bytes
            sound = whole and _is_sound(file.fileno(), notes)
        if sound and store.stat().st_mtime_ns != notes.written:
            os.utime(store, ns=(notes.written, notes.written))  # verified as a whole: not again at the next start
    except OSError:
        return None
    return notes if sound else None


def write_pictures(
    stores: Mapping[PictureForm, Path], files: dict[str, Path], progress: Progress | None = None
) -> tuple[dict[PictureForm, Notes], dict[str, str]]:
    """Decode files into rows, in their order; each file once for all forms.

    Pictures that another store of the folder holds in the same form are copied from there. A picture that cannot be
    read in one form is in none of the stores.

    Args:
        stores: the file of rows to write for each form; all in one folder.
        files: a file by its digest.
        progress: called as ("pictures decoded", done, total).

    Returns:
        The notes; and by digest the reason why a file is no longer reachable. These reasons are not stored, because the
        file may be back the next time.

    Raises:
        CacheError: the folder cannot be written, or its disk is full.
        DataError: the machine failed to read a file, for example because of too many open files.
    """
    digests, folder = list(files), next(iter(stores.values())).parent
    try:
        with ExitStack() as temporaries:
            parts = [
                _Part.begin(form, store, files, *temporaries.enter_context(_temporary(folder)))
                for form, store in stores.items()
            ]
            outcomes = _decode_all(parts, files, progress)
            good = [row for row, outcome in enumerate(outcomes) if isinstance(outcome, tuple)]
            bad = {digests[row]: error for row, error in enumerate(outcomes) if isinstance(error, PictureError)}
            gone = {digest: str(error) for digest, error in bad.items() if isinstance(error, UnreachableError)}
            malformed = {digest: str(error) for digest, error in bad.items() if digest not in gone}
            all_sums = zip(*(outcome for outcome in outcomes if isinstance(outcome, tuple)), strict=True)
            sums = list(all_sums) or [()] * len(parts)
            kept = tuple(digests[row] for row in good)
            notes = {
                part.form: part.finish(good, kept, of_form, malformed)
                for part, of_form in zip(parts, sums, strict=True)
            }
    except OSError as error:
        text = f"cannot write decoded pictures to {folder}: {error.strerror or error}"
        if error.errno in FULL:
            raise CacheError(f"{text}. Free disk space, or set AUTOMM_CACHE_DIR to another disk") from error
        fix = "Make the folder writable, or set AUTOMM_CACHE_DIR to another folder"
        raise CacheFolderError(f"{text}. {fix}") from error
    return notes, gone


@dataclass(frozen=True)
class _Part:
    """A store that is being written.

    Attributes:
        known: rows of other stores that hold a picture already, by its digest.
        unchecked: whether it is too large to be verified as a whole: it is synced to the disk, because the next opening
            would not detect what a crash lost.
    """

    form: PictureForm
    store: Path
    temporary: Path
    descriptor: int
    known: Mapping[str, "_Row"]
    unchecked: bool

    @classmethod
    def begin(
        cls, form: PictureForm, store: Path, files: Mapping[str, Path], temporary: Path, descriptor: int
    ) -> "_Part":
        size = len(files) * row_bytes_of(form.size)
        known = _decoded(store.parent, recipe_of(form), form.size, files)
        allocate(descriptor, size)
        return cls(form, store, temporary, descriptor, known, not is_checked_whole(size))

    def finish(
        self, good: Sequence[int], digests: tuple[str, ...], sums: tuple[int, ...], malformed: dict[str, str]
    ) -> Notes:
        """Keep the good rows, and rename the files."""
        _close_gaps(self.descriptor, good, row_bytes_of(self.form.size))
        if self.unchecked:
            os.fsync(self.descriptor)
        written = os.fstat(self.descriptor).st_mtime_ns
        notes = Notes(recipe_of(self.form), self.form.size, digests, sums, malformed, written)
        self.temporary.replace(self.store)
        self.temporary.write_text(json.dumps(asdict(notes)), encoding="utf-8")
        self.temporary.replace(notes_path(self.store))  # a store exists only with its notes
        return notes


def recipe_of(form: PictureForm) -> str:
    """Return how pictures of a form are decoded."""
    return f"{form.recipe}, Pillow {PIL.__version__}"


def row_bytes_of(size: int) -> int:
    """Return the bytes of a picture."""
    return 3 * size**2


def _decode_all(
    parts: Sequence[_Part], files: dict[str, Path], progress: Progress | None
) -> list[tuple[int, ...] | PictureError]:
    """Fill the rows in threads; return the crc32 of each in each part, or why it stays empty."""
    digests = list(files)

    def fill(rows: Sequence[int]) -> list[tuple[int, ...] | PictureError]:
        return [_fill(parts, row, digests[row], files[digests[row]]) for row in rows]

    outcomes: list[tuple[int, ...] | PictureError] = []
    length = sum(row_bytes_of(part.form.size) for part in parts)
    synced = 0
    with quiet_pillow():
        for some in in_order(fill, portions(range(len(digests)), AT_ONCE)):
            outcomes += some
            if len(outcomes) * length >= synced + SYNCED:
                for part in parts:
                    if part.unchecked:
                        os.fdatasync(part.descriptor)  # while the threads go on, which leaves little for the end
                synced = len(outcomes) * length
            if progress is not None:
                progress("pictures decoded", len(outcomes), len(digests))
    return outcomes


@dataclass(frozen=True, slots=True)
class _Row:
    """A row of a store, and its crc32."""

    store: Path
    row: int
    sum: int


def _decoded(folder: Path, recipe: str, size: int, wanted: Container[str]) -> dict[str, _Row]:
    """Find the wanted pictures in the stores of a folder that were decoded in the same way; by digest."""
    rows: dict[str, _Row] = {}
    for store in sorted(folder.glob("*.u8")):
        notes = _read(store)
        if notes is not None and (notes.recipe, notes.size) == (recipe, size):
            listed = enumerate(zip(notes.digests, notes.sums, strict=True))
            rows |= {digest: _Row(store, row, total) for row, (digest, total) in listed if digest in wanted}
    return rows


def _fill(parts: Sequence[_Part], row: int, digest: str, file: Path) -> tuple[int, ...] | PictureError:
    """Write one row of each part; return their crc32s, or why the picture cannot be read."""
    raws: dict[PictureForm, bytes | memoryview] = {}
    for part in parts:
        known = part.known.get(digest)
        copied = _copied(known, row_bytes_of(part.form.size)) if known is not None else None
        if copied is not None:
            raws[part.form] = copied
    missing = [part.form for part in parts if part.form not in raws]
    if missing:
        try:
            raws |= {f: pixels.data.cast("B") for f, pixels in zip(missing, decode_forms(file, missing), strict=True)}
        except PictureError as error:
            return error
    for part in parts:
        write_at(part.descriptor, raws[part.form], row * row_bytes_of(part.form.size))
    return tuple(zlib.crc32(raws[part.form]) for part in parts)


def _copied(known: _Row, length: int) -> bytes | None:
    """Read a row of another store; None if that store is damaged, or was removed meanwhile."""
    try:
        with known.store.open("rb") as file:
            raw = os.pread(file.fileno(), length, known.row * length)
    except OSError:
        return None
    return raw if zlib.crc32(raw) == known.sum else None


def _close_gaps(descriptor: int, good: Sequence[int], length: int) -> None:
    """Move the good rows together and cut off the rest."""
    for place, row in enumerate(good):
        if place != row:
            write_at(descriptor, os.pread(descriptor, length, row * length), place * length)
    os.truncate(descriptor, len(good) * length)


@contextmanager
def _temporary(folder: Path) -> Iterator[tuple[Path, int]]:
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob("*.tmp"):
        with suppress(FileNotFoundError):  # another process removed or renamed it
            if time.time() - left.stat().st_mtime > ABANDONED:
                left.unlink()
    descriptor, name = tempfile.mkstemp(suffix=".tmp", dir=folder)
    try:
        os.fchmod(descriptor, 0o644)  # mkstemp makes it unreadable to other users of a shared cache
        yield Path(name), descriptor
    finally:
        os.close(descriptor)
        Path(name).unlink(missing_ok=True)


def _read(store: Path) -> Notes | None:
    try:
        content = json.loads(notes_path(store).read_text(encoding="utf-8"))
        digests, sums = tuple(map(str, content.pop("digests"))), tuple(map(int, content.pop("sums")))
        content.setdefault("malformed", {})
        content.pop("bad", None)
        notes = Notes(digests=digests, sums=sums, **content)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    usable = len(digests) == len(sums) and isinstance(notes.malformed, dict) and isinstance(notes.size, int)
    return notes if usable else None


def _is_sound(descriptor: int, notes: Notes) -> bool:
    return damaged_at(descriptor, notes.sums, notes.row_bytes, written=notes.written, rng=random.Random()) is None
