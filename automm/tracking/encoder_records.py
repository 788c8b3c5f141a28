"""What a run folder and a bundle record of their encoders: names, weights, engines, and how they read their inputs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class EncoderRecord:
    """The record of one encoder.

    Attributes:
        modality: 'text' or 'image'.
        name: as in the experiment file.
        fingerprint: of its weights.
        engine: the version of the engine that computed its features.
        size: the tokens of a text, or the side of a picture in pixels.
        preprocessing: how it wants its inputs (`models/encoders/preprocessing`), without the tokenizer.
        reason: why it has this size.
        difference: of its features from those of Keras, if ONNX Runtime computed them: the largest, divided by their
            root mean square. None: Keras computed them, or it was not measured.
        fallback: why Keras computed them although ONNX Runtime should; '' if it should not.
        precision: in which it computes its features, and the whole model too.
        vector: how a sentence-transformer makes its vector; '' for others.
    """

    modality: str
    name: str
    fingerprint: str
    engine: str
    size: int
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    reason: str = ""
    difference: float | None = None
    fallback: str = ""
    precision: str = "float32"
    vector: str = ""


def to_json(records: Sequence[EncoderRecord]) -> dict[str, list[dict[str, Any]]]:
    """Return JSON values: the encoders of each modality, first encoder first."""
    written: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        values = asdict(record)
        written.setdefault(values.pop("modality"), []).append(values)
    return written


def records_of(written: Mapping[str, Any], inputs: Mapping[str, Any]) -> list[EncoderRecord]:
    """Return the records that `to_json` wrote, or an older automm: then one encoder a modality, without its size.

    Args:
        inputs: `inputs` of the experiment file, the sizes in older records.
    """
    sizes = {"text": inputs["sequence_length"], "image": inputs["image_size"]}
    return [
        EncoderRecord(**{"modality": modality, "size": sizes[modality], **values})
        for modality, listed in written.items()
        for values in ([listed] if isinstance(listed, dict) else listed)
    ]


def tokenizer_files(written: Mapping[str, Any]) -> list[str]:
    """Return the names of the files with the tokenizers of the text encoders that `to_json` wrote, in order."""
    count = 1 if isinstance(written["text"], dict) else len(written["text"])
    return ["tokenizer.json", *(f"tokenizer_{number}.json" for number in range(2, count + 1))]
