"""Set the pictures of a manifest that is being guessed, and name those near the records that it does not use."""

import os
from pathlib import Path

from automm.data.onboarding.columns.names import names_picture, names_portrait
from automm.data.onboarding.columns.nearby import MOST_NAMES, Nearby
from automm.data.onboarding.columns.patterns import Found, are_named_after
from automm.data.onboarding.columns.pictures import Pictures, guess_pictures, why_unused
from automm.data.onboarding.columns.roles import reads_like_text
from automm.data.onboarding.draft import NONE, ChoiceError, Draft
from automm.errors import Problem


def settle_pictures(draft: Draft, nearby: Nearby, folder: Path, guessed: bool) -> Pictures:
    """Guess the columns of pictures, and leave out the other columns that seem to hold pictures."""
    free = {column.name: column for column in draft.free()}
    pictures = guess_pictures(free, draft.table.rows, nearby) if guessed else Pictures()
    if pictures.images is not None:
        if pictures.root is not None and not pictures.urls:
            draft.content["image_root"] = relative_path(pictures.root, folder)
        draft.settle("images", pictures.images, pictures.used, pictures.reason)
        draft.fields |= pictures.more
        if pictures.rivals:
            other = relative_path(Path(pictures.rivals[0]), folder)
            reason = f"files with the same names are also in {other!r}. To take these, set image_root: {other}"
            draft.reasons["image_root"] = reason
        if pictures.some_missing:
            draft.content["images"] = {"on_bad": "drop-image"}
            what = "URLs that are not downloaded" if pictures.fetches else "pictures that do not exist"
            draft.reasons["images.on_bad"] = f"{what} are dropped and counted. To refuse them, set on_bad: error"
    for name, column in free.items():
        suggests = names_portrait(name) or names_picture(name)
        if name in pictures.candidates or (suggests and not reads_like_text(column)):
            why = why_unused(column, pictures)
            if name not in draft.role_of and why:
                draft.reasons[f"column {name!r}"] = f"not used: {why}"
                draft.leave_out(name, why)
            elif name not in draft.role_of and column.is_embedded:
                draft.leave_out(name, "pictures inside cells, which are not used")
    if pictures.template:
        draft.role_of = {name: pair for name, pair in draft.role_of.items() if name not in pictures.used}
    return pictures


def note_unused(draft: Draft, nearby: Nearby, pictures: Pictures, must_choose: bool) -> None:
    """Name the pictures near the records that no record names.

    Raises:
        ChoiceError: they are named after a column, but cannot be named in `images`, or are in
            a format that is not read.
    """
    if pictures.more.get("image_kind"):
        return
    if nearby.unread:
        _note_unread(draft, nearby, pictures, must_choose)
    found = pictures.out_of_reach
    if found is not None:
        text, fix = _out_of_reach(found)
        draft.reasons["unused pictures"] = f"{text}. {fix}"
        if must_choose:
            raise _unreachable(draft, text, fix)
        return
    if len(draft.table.rows) < draft.table.records:
        return  # only the pictures of the sample are known
    if draft.table.records > MOST_NAMES or len(pictures.files) >= MOST_NAMES // 2:
        return  # only some of the names were searched
    counts = nearby.unused(pictures.files)
    if counts:
        listed = ", ".join(f"{count:,} under {folder}/" for folder, count in list(counts.items())[:3])
        draft.reasons["unused pictures"] = f"{listed} that no record names"


def _note_unread(draft: Draft, nearby: Nearby, pictures: Pictures, must_choose: bool) -> None:
    """Name the pictures in formats that are not read; raise ChoiceError if the records have no other pictures."""
    example = nearby.unread[0].rpartition("/")[2]
    text = f"{len(nearby.unread):,} picture files such as {example!r} are in a format that is not read"
    fix = "Convert them to JPEG or PNG under the same names"
    draft.reasons["unread pictures"] = f"{text}. {fix}"
    readable = pictures.files.difference(nearby.unread)
    wanted = pictures.files or are_named_after(list(draft.table.columns.values()), nearby.unread)
    if must_choose and wanted and not readable:
        raise _unreachable(draft, text, fix)


def _unreachable(draft: Draft, text: str, fix: str) -> ChoiceError:
    fix += f". To go on without pictures, add --images {NONE}"
    return ChoiceError([Problem("out_of_reach", str(draft.content["records"]), text, fix)], "--images", {})


def _out_of_reach(found: Found) -> tuple[str, str]:
    """Return why the pictures that are named after a column cannot be named in `images`, and what to do."""
    example = min(found.files, default="").rpartition("/")[2]
    if found.scattered:
        text = (
            f"{len(found.files):,} pictures or more are named after column {found.column!r}, such as {example!r}, but "
        )
        return text + f"they are in {found.folders:,} folders or more", "Move them into one folder"
    text = f"{len(found.files):,} pictures or more are named like {example!r}, but the numbers in column "
    text += f"{found.column!r} have lost their leading zeros"
    return text, f"Write them as text with {found.padding} digits"


def relative_path(path: Path, folder: Path) -> str:
    """Return a path relative to a folder, as a manifest has it."""
    return os.path.relpath(os.path.realpath(path), os.path.realpath(folder))
