"""Every kind of finding and its texts: what it is, what it does to the result, how it is mended.

An error keeps a search from starting. A warning says that a search would start and its result mislead; --strict
refuses it. A note is to be known, no more. {Names} are filled in where it is found.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """One kind of finding; `severity` is 'error', 'warning' or 'note'."""

    severity: str
    what: str
    effect: str
    fix: str


SEVERITIES = ("error", "warning", "note")
_LEAK = "The measured quality is too good: what is tested was seen in training."
_TOGETHER = "{fix}"

KINDS = {
    # What keeps a search from starting.
    "missing_pictures": Kind(
        "error",
        "pictures that are not there",
        "No search can start.",
        "Correct the paths or image_root, fetch what is named by a URL (automm fetch-images), or set "
        "images: {{on_bad: drop-image}}.",
    ),
    "missing_numbers": Kind(
        "error",
        "reviews without a number to predict",
        "No search can start.",
        "Give each one, or set labels: {{on_missing: drop}}.",
    ),
    "unreadable_pictures": Kind(
        "error",
        "pictures that cannot be read",
        "No search can start.",
        "Replace the files, or set images: {{on_bad: drop-image}} or drop-review.",
    ),
    "no_splits": Kind("error", "splits that cannot be made", "No search can start.", "Each line says what to do."),
    "several_labels": Kind(
        "error",
        "{what}",
        "A search refuses them: it learns one label a review.",
        "Set fields: {{label: {{{column}}}}}, or join them in the records.",
    ),
    # Splits.
    "texts_across_splits": Kind("warning", "texts that stand in more than one split", _LEAK, _TOGETHER),
    "pictures_across_splits": Kind("warning", "pictures that stand in more than one split", _LEAK, _TOGETHER),
    "groups_across_splits": Kind("warning", "groups that stand in more than one split", _LEAK, _TOGETHER),
    "near_duplicates_across_splits": Kind(
        "warning",
        "sets of pictures that are nearly the same and stand in more than one split",
        "Where they are copies of one photo, the measured quality is too good: what is tested was seen in training.",
        "{fix}",
    ),
    "near_duplicate_texts_across_splits": Kind(
        "warning",
        "sets of texts that are nearly the same and are in more than one split",
        "Where they are copies of one text, the measured quality is too good: what is tested was seen in training.",
        "{fix}",
    ),
    "common_texts": Kind(
        "warning",
        "texts that more than {limit} reviews share apart from links, mentions, punctuation and case",
        "Reviews that differ in these are not linked, because a phrase that so many repeat would join unrelated ones. "
        "Where they are copies of one text, the measured quality is too good.",
        "If they are copies, name a column in fields.group that says so. If not, leave the phrase out of fields.text.",
    ),
    "ungrouped_column": Kind(
        "warning",
        "values of column {column!r} whose reviews stand in more than one split",
        "If it names users or products, a model can recognise them, and does worse on new ones than measured.",
        "{fix}",
    ),
    "label_shift": Kind(
        "warning",
        "labels whose shares differ between the splits (Cramér's V {effect:.2f}, p {chance:.1g})",
        "Validation chooses, and test measures, for another mixture than the one that is learned.",
        "{fix}",
    ),
    "linked_reviews": Kind(
        "warning",
        "reviews that are tied to one another, {share:.0%} of all, by what they share ({ties})",
        "They stand in one split as a whole, so that the splits differ in their {targets} and sizes.",
        "{fix} Or say what may be torn apart: splits: {{{rules}}}, and read the figures with that in mind.",
    ),
    "absent_labels": Kind(
        "warning",
        "labels without a review in a split",
        "What is measured there says nothing about these labels.",
        "Add reviews of them, or join them with others in labels.map.",
    ),
    "missing_like_labels": Kind(
        "warning",
        "labels that look like a missing value",
        "Each is learned as a class of its own.",
        "Empty these cells and set labels: {{on_missing: drop}}; or list the labels that count in labels: {{map: ..., "
        "on_unlisted: drop}}. A map that lists them says that they are labels.",
    ),
    "labels_of_one_word": Kind(
        "warning",
        "labels that differ from another in upper and lower case, or in spaces, alone",
        "Each is learned as a class of its own, and to take one for the other counts as an error.",
        "Join them, and list the other labels, too: labels: {{map: {{{joined}, ...}}}}.",
    ),
    "labels_in_texts": Kind(
        "warning",
        "texts that say their own label, and no other one",
        "The words of the label are all that a model needs; texts that do not say it are judged worse than measured.",
        "Take what was written with the label (such as a rating line) out of fields.text, where the texts to predict "
        "do not have it.",
    ),
    # The number that is to be predicted.
    "one_number": Kind(
        "warning",
        "reviews that have one value to predict",
        "There is little to learn, and R2 is not defined where all are the same.",
        "Look whether fields.label names the right column; add reviews with other values.",
    ),
    "far_numbers": Kind(
        "warning",
        "values to predict that lie more than {far} times the quartiles' distance beyond them ({low} and {high})",
        "Numbers are learned scaled by the training deviation, which few such values decide, and so they do RMSE.",
        "Look for another unit, a lost decimal point or a placeholder (-1, 9999); correct or remove them in the "
        "records, or predict a logarithm.",
    ),
    "number_shift": Kind(
        "warning",
        "splits whose values to predict are not as in training (Kolmogorov-Smirnov {effect:.2f}, p {chance:.1g})",
        "Validation chooses, and test measures, for other values than those that are learned.",
        "{fix}",
    ),
    # Duplicates.
    "text_contradictions": Kind(
        "warning",
        "texts that occur with different {targets}",
        "No model of the texts alone can be right about all of them.",
        "{fix}",
    ),
    "picture_contradictions": Kind(
        "warning",
        "pictures that occur with different {targets}",
        "No model of the pictures alone can be right about all of them.",
        "{fix}",
    ),
    "duplicate_reviews": Kind(
        "note",
        "reviews that repeat the text and the pictures of another",
        "They count as often as they stand there.",
        "Set drop_duplicates: true.",
    ),
    "duplicate_texts": Kind(
        "note",
        "texts that several reviews share",
        "They stand on one side of the split here; drawn review by review, about {expected:.0f} would stand on both.",
        "Nothing needs to be done. Where they name a product, fields.group says it better.",
    ),
    "duplicate_pictures": Kind(
        "note",
        "pictures that several reviews share",
        "They stand on one side of the split here; drawn review by review, about {expected:.0f} would stand on both.",
        "Nothing needs to be done. Where they show a product, fields.group says it better.",
    ),
    "near_duplicate_pictures": Kind(
        "note",
        "sets of pictures that are nearly the same",
        "Each set stands on one side of the split here.",
        "Nothing needs to be done; splits: {{near_duplicates: together}} makes it so for any seed.",
    ),
    "near_duplicate_texts": Kind(
        "note",
        "sets of texts that are nearly the same",
        "Each set is in one split here.",
        "Nothing needs to be done; splits: {{near_duplicates: together}} makes it so for any seed.",
    ),
    "one_picture": Kind(
        "warning",
        "reviews that share one picture, {share:.0%} of those with pictures",
        "A picture that never varies says nothing, and ties all its reviews to one side of the split.",
        "If it is a placeholder, name it as the records do, as shown, in fields: {{none_values: [...]}}; or leave "
        "fields.images out.",
    ),
    # Pictures.
    "no_pictures": Kind(
        "warning",
        "reviews, none of which has a picture, although column {columns} looks like names of pictures",
        "They are judged by their texts alone.",
        "Set fields: {{images: {images}}}, unless it holds something else.",
    ),
    "left_out_pictures": Kind(
        "note",
        "pictures that cannot be read",
        "images: {{on_bad: {rule}}} leaves them out.",
        "Replace the files where they matter.",
    ),
    "not_fetched": Kind(
        "warning",
        "pictures that are named by a URL and were not fetched",
        "Their reviews are judged without them.",
        "Run automm fetch-images on the manifest.",
    ),
    "blank_pictures": Kind(
        "warning",
        "blank pictures",
        "They say nothing, and pooling takes them for pictures.",
        "Remove them from the records, or name them as these do, as shown, in fields: {{none_values: [...]}}.",
    ),
    "repeated_pictures": Kind(
        "note",
        "reviews that have the same picture more than once",
        "It counts as often as it stands there, and may take the place of another where pictures are limited.",
        "Name it once in the records.",
    ),
    "tiny_pictures": Kind(
        "warning",
        "pictures with a side under {limit} pixels",
        "Enlarged to the encoder's input they are a blur.",
        "Look whether thumbnails took the place of the pictures; remove them from the records if so.",
    ),
    "huge_pictures": Kind(
        "note",
        "pictures over {limit:.0f} million pixels",
        "They are decoded slowly; nothing is gained beyond the encoder's input.",
        "Shrink them once, before the search.",
    ),
    "stretched_pictures": Kind(
        "note",
        "pictures more than {limit:.0f} times as long as wide, or the other way round",
        "Squashed to the encoder's square they are distorted.",
        "Cut or pad them where their shapes matter.",
    ),
    "animated_pictures": Kind(
        "note",
        "pictures with several frames",
        "Only the first frame is seen.",
        "Write the telling frame to a file of its own where it is another one.",
    ),
    "wrong_extensions": Kind(
        "note",
        "pictures whose names say another format than they have",
        "None: pictures are read by their content. Other programs may stumble.",
        "Rename them.",
    ),
    # Texts.
    "wrong_encoding": Kind(
        "warning",
        "texts in the wrong encoding",
        "Their words are no words to the text encoder.",
        "Set encoding: in the manifest to {encodings}; or repair the texts where they were read wrongly before.",
    ),
    "html_left": Kind(
        "warning",
        "texts with HTML left in",
        "Tags and entities take the place of words in what the text encoder sees.",
        "Take them out of the records (html.unescape, and a parser for the tags).",
    ),
    "missing_like_texts": Kind(
        "warning",
        "texts that look like a missing value",
        "The text encoder reads them as words.",
        "Empty these cells in the records; text: {{on_empty: drop}} then leaves these reviews out.",
    ),
    "empty_texts": Kind(
        "note",
        "reviews without text",
        "They are judged by their pictures alone.",
        "Nothing needs to be done; text: {{on_empty: drop}} leaves them out.",
    ),
    "long_texts": Kind(
        "note",
        "texts far longer than the others (over {limit:.0f} words)",
        "What lies behind the first inputs.sequence_length word pieces is not seen.",
        "Look whether something else than a review was read; raise inputs.sequence_length in the experiment if not.",
    ),
    "other_languages": Kind(
        "warning",
        "texts that do not look English ({share:.0%} of {judged:,} judged: {languages})",
        "The default text encoder is English and knows little of other languages.",
        "Name a multilingual encoder in the experiment: encoders: {{text: ...}}.",
    ),
    "no_ids": Kind(
        "note",
        "reviews without an id of their own",
        "Their place in the records is their id: other rows before them move them to other splits.",
        "Set fields: {{id: ...}}.",
    ),
}
