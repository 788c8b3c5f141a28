"""The changes that reading makes to data: each kind of dropped or altered content is counted."""

from collections.abc import Mapping
from enum import StrEnum


class Change(StrEnum):
    """A kind of change. Its value is a stable key for records and JSON; `text` is its description for people."""

    text: str

    def __new__(cls, key: str, text: str) -> "Change":
        member = str.__new__(cls, key)
        member._value_ = key
        member.text = text
        return member

    NO_LABEL = "no_label", "ignored: no label"
    NO_NUMBER = "no_number", "ignored: no number to predict"
    UNLISTED_LABEL = "unlisted_label", "dropped: label not in labels.map"
    UNLISTED_LABEL_OF_SEVERAL = (
        "unlisted_label_of_several",
        "label dropped: not in labels.map, the review keeps its other labels",
    )
    EMPTY_TEXT = "empty_text", "dropped: empty text"
    NO_CONTENT = "no_content", "dropped: neither text nor picture"
    NO_PICTURE_FOUND = "no_picture_found", "dropped: no text, and its pictures are missing"
    NOT_FETCHED_REVIEW = "not_fetched_review", "dropped: no text, and its pictures (URLs) are not fetched"
    RARE_LABEL = "rare_label", "dropped: label with fewer reviews than labels.min_count"
    RARE_LABEL_OF_SEVERAL = (
        "rare_label_of_several",
        "label dropped: fewer reviews than labels.min_count, the review keeps its other labels",
    )
    OTHER_LABEL = "other_label", "label changed to 'other': fewer reviews than labels.min_count"
    MISSING_PICTURE = "missing_picture", "picture dropped: missing"
    MISSING_PICTURE_REVIEW = "missing_picture_review", "dropped: missing picture"
    BACKSLASHES = "backslashes", "picture path changed: backslashes read as slashes"
    OTHER_SPELLING = "other_spelling", "picture found by a name that differs from its file in case, accents or quoting"
    NO_EXTENSION = "no_extension", "picture found by its name without the extension of the file"
    OTHER_EXTENSION = "other_extension", "picture found by its name with another extension"
    OTHER_FOLDER = "other_folder", "picture found in another folder than its name says"
    AMBIGUOUS_PICTURE = "ambiguous_picture", "picture dropped: its name fits several files"
    LONGER_ID = "longer_id", "picture left out: by its name it belongs to a longer id that is in no record"
    NOT_FETCHED = "not_fetched", "picture dropped: its URL was not fetched (run automm fetch-images)"
    UNREADABLE_PICTURE = "unreadable_picture", "picture dropped: unreadable"
    UNREADABLE_PICTURE_REVIEW = "unreadable_picture_review", "dropped: unreadable picture"
    DUPLICATE = "duplicate", "dropped: duplicate of another review"
    CONFLICTING = "conflicting_duplicates", "dropped: duplicates with conflicting labels"
    NOT_SAMPLED = "not_sampled", "left out: not in the subsample"
    MORE_PICTURES = "more_pictures", "picture dropped: the review has more than inputs.max_images"
    LONGER_TEXT = "longer_text", "text cut: it has more tokens than an encoder reads"
    LONGER_CATEGORY = "longer_category", "value of a categorical column cut to 100 characters in the text"
    MORE_STEPS = "more_steps", "history step dropped: the review has more than inputs.history_steps"
    MORE_WORDS = "more_words", "word or run of characters dropped: a model reads the 512 with the largest weights"
    REFUSED_REVIEW = "refused_review", "picture not read: its review has an error"
    # Native layouts only.
    SAME_RECORD = "same_record", "ignored: repeated record"
    NO_PICTURE = "no_picture", "ignored: no picture (options.only_with_images)"
    RATING_ALONE = "rating_alone", "ignored: a rating without text or picture"
    RELABELLED = "relabelled", "dropped: repeats an earlier meme with a different label"
    NOT_LISTED = "not_listed", "ignored: in no label or split list of the data set"
    OPPOSITE_LABELS = "opposite_labels", "dropped: text and picture have opposite labels (positive and negative)"
    NO_MAJORITY = "no_majority", "dropped: no majority among the annotators"
    NO_PHOTO = "no_photo", "ignored: review of a business without a photo (options.only_with_images)"
    NO_REVIEW = "no_review", "ignored: a business without a review"
    NO_ID = "no_id", "ignored: a business without an id"
    PATTERN_ABSENT = "pattern_absent", "no label found: the text does not match options.pattern"
    DUPLICATE_KEY = "duplicate_key", "duplicate key in the front matter: the last value is used"
    OTHER_ENCODING = "other_encoding", "text decoded in the data set's encoding: not valid UTF-8"
    UTF8_COPY = "utf8_copy", "text decoded as UTF-8, not in the layout's encoding: most texts are valid UTF-8"
    MISENCODED = "misencoded", "text cleaned: undecodable bytes removed"
    OWN_METADATA = "own_metadata", "ignored: the split folder has its own metadata"
    # Parquet files that contain pictures.
    PICTURE_OUTSIDE = "picture_outside", "left out: a picture that is named but not stored in the Parquet file"
    NOT_A_PICTURE = "not_a_picture", "left out: bytes that are not a picture"


# Pictures that were read although their names differ from those of their files, and files that an id could have meant.
FOUND_OTHERWISE = (
    Change.BACKSLASHES,
    Change.OTHER_SPELLING,
    Change.NO_EXTENSION,
    Change.OTHER_FOLDER,
    Change.LONGER_ID,
)


def change_lines(changes: Mapping[Change, int]) -> list[str]:
    """Return one line for each kind, sorted: "dropped: empty text: 12"."""
    return [f"{change.text}: {count:,}" for change, count in sorted(changes.items(), key=lambda item: item[0].text)]
