"""The texts of every kind of finding: what it is, what it does to the result, what to do about it.

An error keeps a search from starting. After a warning a search starts, but its result may mislead; --strict refuses
it. A note is informational. Names in {braces} are filled in by the check.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One kind of finding.

    Attributes:
        severity: one of `SEVERITIES`.
        what: what was found; a plural, because the count is printed with it.
        effect: what it does to a search or its result.
        fix: what to do.
    """

    severity: str
    what: str
    effect: str
    fix: str


SEVERITIES = ("error", "warning", "note")
_REFUSED = "A search refuses to start."
_LEAK = "The measured quality may be too high: a model is measured on data that it was trained or chosen on."
_LEAK_OF_COPIES = (
    "If they are copies, the measured quality may be too high: a model is measured on data that it was trained or "
    "chosen on."
)
_SHIFT = "Validation or test has {0} unlike training, so its figures may mislead."

KINDS = {
    # Errors: a search does not start.
    "missing_pictures": Kind(
        "error",
        "pictures that do not exist",
        _REFUSED,
        "Correct the paths or image_root. To go on without them, set images: {{on_bad: drop-image}}.",
    ),
    "unfetched_pictures": Kind(
        "error",
        "pictures that are named by a URL and were not fetched",
        _REFUSED,
        "Run automm fetch-images with this manifest. To go on without them, set images: {{on_bad: drop-image}}.",
    ),
    "missing_numbers": Kind(
        "error",
        "reviews without a number to predict",
        _REFUSED,
        "Add the numbers. To drop these reviews, set labels: {{on_missing: drop}}.",
    ),
    "unreadable_pictures": Kind(
        "error",
        "pictures that cannot be read",
        _REFUSED,
        "Replace the files. To go on without them, set images: {{on_bad: drop-image}}, or drop-review to drop their "
        "whole reviews.",
    ),
    "no_splits": Kind(
        "error",
        "problems that prevent a split into train, validation and test",
        _REFUSED,
        "Solve each problem as its line says.",
    ),
    "several_labels": Kind(
        "error",
        "{what}",
        "A search refuses to start: it learns one label per review.",
        "Set fields: {{label: {{{column}}}}} to use the first label, or write one label per review in the records.",
    ),
    # Splits.
    "texts_across_splits": Kind("warning", "texts that are in more than one split", _LEAK, "{fix}"),
    "pictures_across_splits": Kind("warning", "pictures that are in more than one split", _LEAK, "{fix}"),
    "groups_across_splits": Kind(
        "warning",
        "groups whose reviews are in more than one split",
        "The measured quality may be too high for new groups: a model is measured on groups that it was trained or "
        "chosen on.",
        "{fix}",
    ),
    "near_duplicates_across_splits": Kind(
        "warning",
        "sets of nearly identical pictures that are in more than one split",
        _LEAK_OF_COPIES,
        "{fix}",
    ),
    "near_duplicate_texts_across_splits": Kind(
        "warning",
        "sets of very similar texts that are in more than one split",
        _LEAK_OF_COPIES,
        "{fix}",
    ),
    "common_texts": Kind(
        "warning",
        "texts that over {limit} reviews share (apart from links, mentions, marks and case), in more than one split",
        "Texts this common are not kept in one split, because that would tie unrelated reviews together. "
        + _LEAK_OF_COPIES,
        "If these are copies of one review, set fields: {{group: ...}} to a column with the same value for all copies. "
        "If they are a stock phrase, remove it from the records or leave it as it is.",
    ),
    "ungrouped_column": Kind(
        "warning",
        "values of column {column!r} whose reviews are in more than one split",
        "If the column identifies users or products, a model can recognise them, and does worse on new ones than "
        "measured.",
        "{fix}",
    ),
    "label_shift": Kind(
        "warning",
        "labels whose shares differ between the splits (Cramér's V {effect:.2f}, p {chance:.1g})",
        _SHIFT.format("label shares"),
        "{fix}",
    ),
    "linked_reviews": Kind(
        "warning",
        "reviews that form one linked set, {share:.0%} of the data, {links}",
        "Linked reviews are kept in one split, so the splits differ in size and in their {targets}.",
        "{fix} To ignore these links, set splits: {{{rules}}}; the measured quality may then be too high.",
    ),
    "absent_labels": Kind(
        "warning",
        "labels without a review in validation or test",
        "The figures of that split say nothing about these labels.",
        "Add reviews with these labels, or merge the labels with others in labels.map.",
    ),
    "missing_like_labels": Kind(
        "warning",
        "labels that look like a missing value",
        "Each is learned as a class.",
        "If they mean that there is no label, empty the cells and set labels: {{on_missing: drop}}. If they are real "
        "labels, list them and all others in labels: {{map: ...}}.",
    ),
    "labels_of_one_word": Kind(
        "warning",
        "labels that differ from another only in case or spaces, or mean the same (such as 1 and true)",
        "Each spelling is learned as a separate class, and confusing two spellings counts as an error.",
        "Merge the spellings in labels: {{map: {{{joined}, ...}}}}, and list all other labels there, too.",
    ),
    "labels_in_texts": Kind(
        "warning",
        "texts that contain their own label and no other",
        "A model needs nothing but the label's words; on texts without them it does worse than measured.",
        "If the texts to predict will not contain the label, remove it from the texts (for example, leave a rating "
        "column out of fields.text).",
    ),
    # Regression.
    "one_number": Kind(
        "warning",
        "reviews with the same value to predict",
        "There is little to learn, and R2 is undefined where all values are equal.",
        "Check that fields.label names the right column, or add reviews with other values.",
    ),
    "far_numbers": Kind(
        "warning",
        "values to predict that are more than {far} interquartile ranges outside the quartiles ({low} and {high})",
        "Targets are scaled by the training standard deviation; a few outliers dominate it and the RMSE.",
        "Check for a wrong unit, a lost decimal point or a placeholder (-1, 9999), and correct or remove these values. "
        "If they are right and all values are positive, predict their logarithms.",
    ),
    "number_shift": Kind(
        "warning",
        "splits whose values to predict are distributed differently from training (Kolmogorov-Smirnov {effect:.2f}, p "
        "{chance:.1g})",
        _SHIFT.format("a distribution of values"),
        "{fix}",
    ),
    # Duplicates.
    "text_contradictions": Kind(
        "warning",
        "texts that have different {targets} in different reviews",
        "A model that reads only the text cannot be right about all of them.",
        "{fix}",
    ),
    "picture_contradictions": Kind(
        "warning",
        "pictures that have different {targets} in different reviews",
        "A model that sees only the pictures cannot be right about all of them.",
        "{fix}",
    ),
    "duplicate_reviews": Kind(
        "note",
        "reviews that repeat the text and the pictures of another review",
        "Every copy counts in training and in the figures.",
        "To keep one of each, set drop_duplicates: true.",
    ),
    "duplicate_texts": Kind(
        "note",
        "texts that several reviews share, each in one split",
        "None: reviews with the same text are kept in one split. Without that, about {expected:.0f} of these texts "
        "would be in several splits.",
        "Nothing. If the same text means the same product, set fields: {{group: ...}} to a product column, which also "
        "keeps reviews of one product with different texts in one split.",
    ),
    "duplicate_pictures": Kind(
        "note",
        "pictures that several reviews share, each in one split",
        "None: reviews with the same picture are kept in one split. Without that, about {expected:.0f} of these "
        "pictures would be in several splits.",
        "Nothing. If the same picture means the same product, set fields: {{group: ...}} to a product column, which "
        "also keeps reviews of one product with different pictures in one split.",
    ),
    "near_duplicate_pictures": Kind(
        "note",
        "sets of nearly identical pictures, each in one split",
        "None with these splits, but another seed may put them in different splits.",
        "Nothing. To keep them in one split with any seed, set splits: {{near_duplicates: together}}.",
    ),
    "near_duplicate_texts": Kind(
        "note",
        "sets of very similar texts, each in one split",
        "None with these splits, but another seed may put them in different splits.",
        "Nothing. To keep them in one split with any seed, set splits: {{near_duplicates: together}}.",
    ),
    "one_picture": Kind(
        "warning",
        "reviews that share one picture, {share:.0%} of the reviews with pictures",
        "A picture that never varies tells a model nothing, and it links all these reviews into one split.",
        "If it is a placeholder, add its name as shown to fields: {{none_values: [...]}}, or leave its column out of "
        "fields.images.",
    ),
    # Pictures.
    "no_pictures": Kind(
        "warning",
        "reviews without a picture, although column {columns} seems to name pictures",
        "Models learn from the texts alone.",
        "Set fields: {{images: {images}}}, unless the values are something else.",
    ),
    "unused_pictures": Kind(
        "note",
        "picture files under image_root that no record names",
        "Models learn without them.",
        "{fix}",
    ),
    "unread_formats": Kind(
        "warning",
        "picture files under image_root in a format that is not read",
        "Models learn without them.",
        "Convert them to JPEG or PNG under the same names. Names with the old extension are then still found.",
    ),
    "left_out_pictures": Kind(
        "note",
        "pictures that cannot be read",
        "They, or their reviews, are left out, as images: {{on_bad: {rule}}} says.",
        "Replace the files if you need them.",
    ),
    "not_fetched": Kind(
        "warning",
        "pictures that are named by a URL and were not fetched",
        "Models learn from these reviews without the pictures.",
        "Run automm fetch-images with this manifest.",
    ),
    "blank_pictures": Kind(
        "warning",
        "blank pictures",
        "They show nothing, but a model takes them for real pictures.",
        "Remove them from the records, or add their names as shown to fields: {{none_values: [...]}}.",
    ),
    "repeated_pictures": Kind(
        "note",
        "reviews that name the same picture more than once",
        "The picture has more weight in its review, and may displace another one if there are more than "
        "inputs.max_images.",
        "Name each picture once in the records.",
    ),
    "tiny_pictures": Kind(
        "warning",
        "pictures with a side of less than {limit} pixels",
        "They are blurred when enlarged to the encoder's input size.",
        "Check whether they are thumbnails. If so, remove them from the records, or replace them with the full "
        "pictures.",
    ),
    "huge_pictures": Kind(
        "note",
        "pictures of more than {limit:.0f} million pixels",
        "They are slow to decode, and an encoder reads far fewer pixels.",
        "Shrink the files once, before the search.",
    ),
    "stretched_pictures": Kind(
        "note",
        "pictures with one side more than {limit:.0f} times as long as the other",
        "They are distorted, cropped or padded, because encoders read squares.",
        "Crop or pad them if their shapes matter.",
    ),
    "animated_pictures": Kind(
        "note",
        "pictures with several frames",
        "Only the first frame is read.",
        "If another frame shows more, save that frame as a separate file.",
    ),
    "wrong_extensions": Kind(
        "note",
        "pictures whose file extension does not match their format",
        "None: formats are recognised by content.",
        "Nothing. Rename the files if other programs read them.",
    ),
    # Texts.
    "wrong_encoding": Kind(
        "warning",
        "texts that were decoded in the wrong encoding",
        "The text encoder does not recognise their words.",
        "In the manifest, set encoding to {encodings}. If the records are not text files, or the texts stay wrong, "
        "repair them in the records.",
    ),
    "html_left": Kind(
        "warning",
        "texts that contain HTML",
        "Tags and entities take the place of words in the text encoder's input.",
        "Remove tags (with an HTML parser) and decode entities (with html.unescape) in the records.",
    ),
    "missing_like_texts": Kind(
        "warning",
        "texts that look like a missing value",
        "The text encoder reads them as words.",
        "Empty these cells in the records. To drop reviews without text, set text: {{on_empty: drop}}.",
    ),
    "empty_texts": Kind(
        "note",
        "reviews without text",
        "Models learn from their pictures alone.",
        "Nothing. To drop these reviews, set text: {{on_empty: drop}}.",
    ),
    "long_texts": Kind(
        "note",
        "texts far longer than the others (over {limit:.0f} words)",
        "The text encoder reads only the first inputs.sequence_length word pieces.",
        "If these texts are single reviews, raise inputs.sequence_length in the experiment file. If lines were "
        "merged, set delimiter or quotes in the manifest.",
    ),
    "other_languages": Kind(
        "note",
        "texts that seem not to be English ({share:.0%} of {judged:,} checked: {languages})",
        "With encoders: {{text: auto}}, the default, me5-small reads them. An English encoder knows little of them.",
        "Leave encoders.text at auto, or name another multilingual encoder: automm encoders lists them.",
    ),
    "no_ids": Kind(
        "note",
        "reviews without an id",
        "Their places in the records are their ids, so rows added before them move them to other splits.",
        "Set fields: {{id: ...}} to a column with a different value in each record.",
    ),
}
