"""Run a frozen encoder over the distinct texts or pictures, and fill entries of the feature store.

The entries are in `search/features/store`. A text is identified by its word pieces, a picture by its file and its
decoding, and a family of entries by weights, engine and read-out. Whole sequences are stored in float16. Token states
are ragged: a text has one row for each of its word pieces. The cells of a picture are flattened into one row.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import keras
import numpy as np

from automm.data.inputs.arrays import Tokens
from automm.data.inputs.input_sources import RAW
from automm.data.inputs.items import item_digests
from automm.errors import ConfigError
from automm.models.devices import in_halves
from automm.search.features.engines import Engine, Inputs, RunEncoder
from automm.search.features.store import Encoding
from automm.search.features.store_format import About, Items

Progress = Callable[[str, int, int], None]  # called with (what is encoded, done, total)

LENGTHS = 8  # padded lengths are multiples of this, so that TensorFlow traces few shapes
LARGEST_HALF = 65504.0


@dataclass(frozen=True)
class Texts:
    """The distinct texts of some reviews.

    Attributes:
        tokens: the distinct texts.
        rows: (reviews,) int64, the text of each review.
        starts: (distinct + 1,) int64, where each text's word pieces begin in the sequence of all texts.
    """

    tokens: Tokens
    rows: np.ndarray
    starts: np.ndarray

    @classmethod
    def of(cls, tokens: Tokens) -> "Texts":
        length = tokens.ids.shape[1]
        both, rows = np.unique(np.concatenate([tokens.ids, tokens.mask], axis=1), axis=0, return_inverse=True)
        ids, mask = np.ascontiguousarray(both[:, :length]), np.ascontiguousarray(both[:, length:])
        lengths = length - np.argmax(mask[:, ::-1] != 0, axis=1)
        starts = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        return cls(Tokens(ids, mask, tokens.free), rows.reshape(-1), starts)

    @property
    def lengths(self) -> np.ndarray:
        """Return the number of word pieces of each distinct text, (distinct,) int64."""
        return np.diff(self.starts)

    @cached_property
    def items(self) -> Items:
        """Return the texts as items. Digests are of word pieces without padding, which depends on the longest text."""
        lengths = self.lengths
        pieces = (
            _content(ids[:length], mask[:length])
            for ids, mask, length in zip(self.tokens.ids, self.tokens.mask, lengths.tolist(), strict=True)
        )
        return Items(item_digests(pieces), lengths.astype(np.int32))

    def padded(self, sequences: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the sequences of reviews and their mask, padded to the longest of them.

        Args:
            sequences: (word pieces of all distinct texts, features).

        Returns:
            (n, length, features) float32, zeros where there is no word piece, and (n, length) int32.
        """
        mask = self.mask(rows)
        values = np.zeros((*mask.shape, sequences.shape[1]), np.float32)
        for row, text in enumerate(self.rows[rows]):
            start, end = self.starts[text : text + 2]
            values[row, : end - start] = sequences[start:end]
        return values, mask

    def mask(self, rows: np.ndarray) -> np.ndarray:
        """Return the mask of `padded`: (n, length) int32."""
        texts = self.rows[rows]
        real = self.tokens.mask[texts]
        mask = np.zeros((len(texts), self.width(texts)), np.int32)
        mask[:, : real.shape[1]] = real[:, : mask.shape[1]]
        return mask

    def width(self, texts: np.ndarray) -> int:
        """Return the length that these distinct texts are padded to together."""
        if not self.tokens.free:
            return self.tokens.ids.shape[1]
        return -(-int(self.lengths[texts].max()) // LENGTHS) * LENGTHS


@dataclass(frozen=True)
class EncoderOutputs:
    """The outputs of an encoder that a search needs.

    Attributes:
        what: 'texts' or 'pictures', shown to people.
        encoder, fingerprint: the name of the encoder, and the fingerprint of its weights.
        items: distinct texts or pictures.
        names: short names of the outputs (`data/inputs/input_sources`).
        ragged: the outputs with a row for each word piece of an item.
        float16: the outputs that are stored in float16.
    """

    what: str
    encoder: str
    fingerprint: str
    items: Items
    names: Sequence[str]
    ragged: frozenset[str] = frozenset()
    float16: frozenset[str] = frozenset()

    def families(self, engine: Engine) -> dict[str, str]:
        """Return the family of each output, by the output's name."""
        return {name: self._family(name, engine) for name in self.names}

    def abouts(self, engine: Engine) -> dict[str, About]:
        """Return the description of each entry, by family."""
        return {family: self._about(name, engine) for name, family in self.families(engine).items()}

    def _about(self, name: str, engine: Engine) -> About:
        ragged, dtype = name in self.ragged, "<f2" if name in self.float16 else "<f4"
        rows = int(self.items.starts[-1]) if ragged else len(self.items)
        what = f"{self.what}: {name}"
        return About(what, self.encoder, engine.version, rows, dtype=dtype, items=len(self.items), ragged=ragged)

    def _family(self, name: str, engine: Engine) -> str:
        parts = (self.fingerprint, engine.version, name)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


OpenPass = Callable[[Engine, Mapping[str, str], np.ndarray, Progress | None], Encoding]
Start = Callable[[Engine, tuple[str, ...]], tuple[Any, RunEncoder]]


@dataclass(frozen=True)
class Job:
    """An encoder, and what it has to encode.

    Attributes:
        open_pass: called with (engine, family by output name, positions of the items to encode, progress).
    """

    wanted: EncoderOutputs
    open_pass: OpenPass


def started_once(build: Callable[[list[str]], Any], inputs: Inputs) -> Start:
    """Return a function from an engine and output names to an encoder and the function that runs it.

    Each is made once: the time of an encoding is measured with what the encoding then uses.
    """

    @cache
    def built(names: tuple[str, ...]) -> Any:
        return build(list(names))

    @cache
    def start(engine: Engine, names: tuple[str, ...]) -> tuple[Any, RunEncoder]:
        return built(names), in_halves(engine.start(built(names), inputs))

    return start


class TextPass:
    """Encodes texts in order of length, so that batches need little padding.

    Args:
        keys: the family of each output's entry, by the output's short name.
        chosen: the positions of the texts to encode.
    """

    batch_size = 32

    inputs: Inputs = dict.fromkeys(RAW["text"], (np.int32, (None,)))  # dtype and shape of one input row

    def __init__(
        self,
        started: tuple[Any, RunEncoder],
        keys: Mapping[str, str],
        texts: Texts,
        chosen: np.ndarray,
        progress: Progress | None,
        what: str,
    ):
        self._encoder, self._encode = started
        self._keys, self._texts, self._progress, self._what = keys, texts, progress, what
        self._chosen = chosen
        read = [keras.KerasTensor((1, None), "int32") for _ in self.inputs]
        specs = _named(self._encoder, self._encoder.compute_output_spec(*read))
        self.features = {key: int(specs[name].shape[-1]) for name, key in keys.items()}

    def batches(self) -> Iterator[dict[str, tuple[np.ndarray, np.ndarray]]]:
        lengths = self._texts.lengths[self._chosen]
        order = np.argsort(lengths, kind="stable")
        # Counted in word pieces: short texts come first, and the time left would be that of short texts.
        what = f"{self._what}, word pieces"
        for texts in portions(self._chosen[order], self.batch_size, what, self._progress, lengths[order]):
            tokens, length = self._texts.tokens, self._texts.width(texts)
            values = _named(self._encoder, self._encode(tokens.ids[texts, :length], tokens.mask[texts, :length]))
            yield {key: self._placed(texts, values[name]) for name, key in self._keys.items()}

    def _placed(self, texts: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the values of some texts with their rows: one for each text, or one for each word piece."""
        if values.ndim == 2:
            return texts, values
        pieces = [state[:length] for state, length in zip(values, self._texts.lengths[texts], strict=True)]
        return self._texts.items.rows(texts, ragged=True), _fits_half(np.concatenate(pieces))


class PicturePass:
    """Encodes a few pictures at a time: activations of larger batches do not fit into CPU caches, which is slower.

    Args:
        keys: the family of each output's entry, by the output's short name.
        chosen: the positions of the pictures to encode.
    """

    batch_size = 8

    def __init__(
        self,
        started: tuple[Any, RunEncoder],
        keys: Mapping[str, str],
        pixels: np.ndarray,
        chosen: np.ndarray,
        progress: Progress | None,
        what: str,
    ):
        self._encoder, self._encode = started
        self._keys, self._pixels, self._progress, self._what = keys, pixels, progress, what
        self._chosen = chosen
        (shape,) = [shape for _, shape in self.inputs(pixels).values()]
        specs = _named(self._encoder, self._encoder.compute_output_spec(keras.KerasTensor((1, *shape), "uint8")))
        self.features = {key: int(np.prod(specs[name].shape[2:])) for name, key in keys.items()}

    @staticmethod
    def inputs(pixels: np.ndarray) -> Inputs:
        """Return dtype and shape of one input row: one picture."""
        return {"images": (np.uint8, (1, *pixels.shape[1:]))}

    def batches(self) -> Iterator[dict[str, tuple[np.ndarray, np.ndarray]]]:
        for rows in portions(self._chosen, self.batch_size, self._what, self._progress):
            values = _named(self._encoder, self._encode(self._pixels[rows][:, None]))
            yield {key: (rows, _flat(values[name], len(rows))) for name, key in self._keys.items()}


def portions(
    order: np.ndarray, size: int, what: str, progress: Progress | None, costs: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Yield `size` rows at a time, and report the progress when the caller comes back for more.

    Args:
        costs: of each row in `order`, (n,) integers, in which the progress is counted; None: it is counted in rows.
    """
    done = np.cumsum(np.ones(len(order), np.int64) if costs is None else costs)
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        yield rows
        if progress is not None:
            progress(what, int(done[start + len(rows) - 1]), int(done[-1]))


def _content(ids: np.ndarray, mask: np.ndarray) -> bytes:
    """Return what identifies a text: its word pieces, and its mask unless it is the usual one, 0 at id 0 alone.

    Features that were stored before tokens had a mask of their own stay valid.
    """
    usual = np.array_equal(mask, ids != 0)
    return ids.tobytes() if usual else ids.tobytes() + mask.tobytes()


def _named(encoder: Any, outputs: Any) -> dict[str, Any]:
    """Return an encoder's outputs by short name."""
    names = [source.short_name for source in encoder.sources]
    return dict(zip(names, keras.tree.flatten(outputs), strict=True))


def _flat(values: np.ndarray, rows: int) -> np.ndarray:
    return values.reshape(rows, -1) if values.ndim == 3 else _fits_half(values.reshape(rows, -1))


def _fits_half(values: np.ndarray) -> np.ndarray:
    """Raise ConfigError where values are too large for float16."""
    if values.size and not np.abs(values).max() <= LARGEST_HALF:
        raise ConfigError(
            f"an encoder's states reach {np.abs(values).max():.3g}; whole sequences are stored in float16, up to "
            f"{LARGEST_HALF:.0f}. Choose another encoder, or remove attention and fusions of sequences from the space"
        )
    return values
