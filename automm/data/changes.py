"""What reading data leaves out or alters: never silently, but counted by kind."""

from collections.abc import Mapping
from enum import StrEnum


class Change(StrEnum):
    """A kind of change. Its value is a stable key for records and JSON; `text` says it to people."""

    text: str

    def __new__(cls, key: str, text: str) -> "Change":
        member = str.__new__(cls, key)
        member._value_ = key
        member.text = text
        return member

    NO_LABEL = "no_label", "ignored: no label"
    NO_NUMBER = "no_number", "ignored: no number to predict"
    UNLISTED_LABEL = "unlisted_label", "dropped: unlisted label"
    UNLISTED_LABEL_OF_SEVERAL = "unlisted_label_of_several", "label dropped: unlisted, of a review with others"
    EMPTY_TEXT = "empty_text", "dropped: empty text"
    NO_CONTENT = "no_content", "dropped: neither text nor picture"
    MISSING_PICTURE = "missing_picture", "picture dropped: missing"
    MISSING_PICTURE_REVIEW = "missing_picture_review", "dropped: missing picture"
    BACKSLASHES = "backslashes", "picture path read with slashes for backslashes"
    NOT_FETCHED = "not_fetched", "picture dropped: URL not fetched"
    UNREADABLE_PICTURE = "unreadable_picture", "picture dropped: unreadable"
    UNREADABLE_PICTURE_REVIEW = "unreadable_picture_review", "dropped: unreadable picture"
    DUPLICATE = "duplicate", "dropped: duplicate of another review"
    CONFLICTING = "conflicting_duplicates", "dropped: duplicates with conflicting labels"
    NOT_SAMPLED = "not_sampled", "left out: not in the subsample"
    MORE_PICTURES = "more_pictures", "picture dropped: more in a review than inputs.max_images"
    MORE_STEPS = "more_steps", "step of a history dropped: more in a review than inputs.history_steps"
    # Of native layouts.
    SAME_RECORD = "same_record", "ignored: the same record again"
    NO_PICTURE = "no_picture", "ignored: no picture (only_with_images)"
    RATING_ALONE = "rating_alone", "ignored: neither text nor picture"
    RELABELLED = "relabelled", "dropped: the same meme again, with another label"
    NOT_LISTED = "not_listed", "ignored: in none of the lists of splits"
    OPPOSITE_LABELS = "opposite_labels", "dropped: text and picture labelled positive against negative"
    NO_MAJORITY = "no_majority", "dropped: three annotators with three opinions"
    NO_PHOTO = "no_photo", "ignored: no photo of the business (only_with_images)"
    NO_REVIEW = "no_review", "ignored: a business without a review"
    NO_ID = "no_id", "ignored: a business without an id"
    PATTERN_ABSENT = "pattern_absent", "ignored: the pattern is not in the text"
    DUPLICATE_KEY = "duplicate_key", "duplicate key in the front matter: the last value is used"
    OTHER_ENCODING = "other_encoding", "text decoded in the encoding of its layout: not valid UTF-8"
    UTF8_COPY = "utf8_copy", "text decoded as UTF-8, not in the encoding of its layout: most texts are valid UTF-8"
    MISENCODED = "misencoded", "text cleaned: bytes of another encoding left out"
    OWN_METADATA = "own_metadata", "ignored: described by the metadata of its own folder"
    # Of Parquet files that hold the pictures.
    PICTURE_OUTSIDE = "picture_outside", "left out: a picture that is named, and not inside"
    NOT_A_PICTURE = "not_a_picture", "left out: bytes that are not a picture"


def change_lines(changes: Mapping[Change, int]) -> list[str]:
    """A line for each kind: "dropped: empty text: 12"."""
    return [f"{change.text}: {count:,}" for change, count in sorted(changes.items(), key=lambda item: item[0].text)]
