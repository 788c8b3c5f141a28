"""A tiny MPNet with random weights, named as Hugging Face's transformers names them."""

from pathlib import Path

import numpy as np

WORDS = ["<s>", "<pad>", "</s>", "<unk>", "[UNK]", "good", "bad", "phone", "##s", "the", "fox", "."]
HIDDEN, HEADS, INNER, LAYERS, POSITIONS, BUCKETS = 8, 2, 12, 3, 514, 32


def tensors(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return random weights by name."""
    shapes = {
        "embeddings.word_embeddings.weight": (len(WORDS), HIDDEN),
        "embeddings.position_embeddings.weight": (POSITIONS, HIDDEN),
        "encoder.relative_attention_bias.weight": (BUCKETS, HEADS),
        "pooler.dense.weight": (HIDDEN, HIDDEN),
        "pooler.dense.bias": (HIDDEN,),
    }
    norms = ["embeddings.LayerNorm"]
    for number in range(LAYERS):
        before = f"encoder.layer.{number}."
        dense = {f"attention.attn.{part}": (HIDDEN, HIDDEN) for part in "qkvo"}
        dense |= {"intermediate.dense": (INNER, HIDDEN), "output.dense": (HIDDEN, INNER)}
        for name, shape in dense.items():
            shapes |= {f"{before}{name}.weight": shape, f"{before}{name}.bias": shape[:1]}
        norms += [f"{before}attention.LayerNorm", f"{before}output.LayerNorm"]
    found = {name: rng.normal(0.0, 0.5, shape).astype(np.float32) for name, shape in shapes.items()}
    for norm in norms:
        found[f"{norm}.weight"] = rng.normal(1.0, 0.1, HIDDEN).astype(np.float32)
        found[f"{norm}.bias"] = rng.normal(0.0, 0.1, HIDDEN).astype(np.float32)
    return found | {"embeddings.position_ids": np.arange(POSITIONS)[None]}


def write_mpnet(folder: Path) -> dict[str, np.ndarray]:
    """Write its weights and its tokenizer; return the weights by name."""
    from safetensors.numpy import save_file
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    folder.mkdir(parents=True, exist_ok=True)
    found = tensors(np.random.default_rng(0))
    save_file(found, folder / "model.safetensors")
    tokenizer = Tokenizer(models.WordPiece({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    tokenizer.enable_padding(length=9, pad_id=1, pad_token="<pad>")  # as the published file has it
    tokenizer.save(str(folder / "tokenizer.json"))
    return found
