"""All checks of the data. To add one: a function in a file here, its name in CHECKS, and its texts in KINDS
(`quality/finding_kinds`). One for some tasks only is also named in OF_TASKS and in the `checks` of these tasks.
"""

from collections.abc import Callable, Iterator

from automm.data.quality.checked import Checked
from automm.data.quality.checks.columns import ungrouped_columns
from automm.data.quality.checks.duplicates import (
    common_texts,
    contradictions,
    duplicate_reviews,
    linked_reviews,
    near_duplicate_pictures,
    near_duplicate_texts,
    shared_content,
)
from automm.data.quality.checks.labels import (
    absent_labels,
    label_shift,
    labels_in_texts,
    labels_of_one_word,
    missing_like_labels,
)
from automm.data.quality.checks.numbers import far_numbers, number_shift, one_number
from automm.data.quality.checks.pictures import (
    no_pictures,
    odd_pictures,
    one_picture,
    repeated_pictures,
    wrong_extensions,
)
from automm.data.quality.checks.texts import (
    empty_texts,
    html_left,
    long_texts,
    missing_like_texts,
    other_languages,
    wrong_encoding,
)
from automm.data.quality.checks.unused_pictures import unread_formats, unused_pictures
from automm.data.quality.finding import Finding
from automm.tasks.base import Task

# Findings of one severity are shown in this order.
CHECKS: tuple[Callable[[Checked], Iterator[Finding]], ...] = (
    shared_content,
    common_texts,
    near_duplicate_texts,
    near_duplicate_pictures,
    ungrouped_columns,
    contradictions,
    missing_like_labels,
    labels_of_one_word,
    labels_in_texts,
    absent_labels,
    label_shift,
    one_number,
    far_numbers,
    number_shift,
    linked_reviews,
    no_pictures,
    one_picture,
    odd_pictures,
    repeated_pictures,
    unused_pictures,
    unread_formats,
    wrong_extensions,
    wrong_encoding,
    html_left,
    other_languages,
    missing_like_texts,
    empty_texts,
    long_texts,
    duplicate_reviews,
)

# Checks that run only for tasks that list them in `Task.checks`.
OF_TASKS = {
    absent_labels,
    label_shift,
    missing_like_labels,
    labels_of_one_word,
    labels_in_texts,
    one_number,
    far_numbers,
    number_shift,
}


def checks_of(task: Task) -> list[Callable[[Checked], Iterator[Finding]]]:
    """Return the checks that apply to a task, in order."""
    return [check for check in CHECKS if check not in OF_TASKS or check.__name__ in task.checks]
