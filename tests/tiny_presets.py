"""Tiny presets of every family, with random weights: built and saved, never downloaded."""

import io
import json
from pathlib import Path

import numpy as np

CORPUS = (
    "the quick brown fox jumped over the lazy dog",
    "The phone is good, the battery is bad!",
    "\u0645\u0631\u062d\u0628\u0627 \u0627\u0644\u0639\u0627\u0644\u0645",
    "\u8fd9\u4e2a\u624b\u673a\u5f88\u597d\uff0c\u7535\u6c60\u4e0d\u884c\u3002",
    "na\u00efve caf\u00e9 \ufb01sh 12345 67.8%",
    "barang bagus sekali, pengiriman cepat",
)
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "quick", "fox", "good", "##s", "phone", ",", "!", "bad"]
SIZE = 32  # of pictures, in pixels
TRANSFORMER = {"num_layers": 3, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 16}
SCALE, OFFSET = [1 / 200, 1 / 100, 1 / 50], [-0.5, 0.0, 0.25]


def sentencepiece_model(kind: str = "unigram", rule: str = "nmt_nfkc", size: int = 120, **options) -> bytes:
    """Train a SentencePiece model on CORPUS."""
    import sentencepiece

    file = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(CORPUS * 20),
        model_writer=file,
        vocab_size=size,
        model_type=kind,
        normalization_rule_name=rule,
        hard_vocab_limit=False,
        minloglevel=2,
        **options,
    )
    return file.getvalue()


def bert_pieces(pad: str = "[PAD]") -> bytes:
    return sentencepiece_model(
        **{"pad_id": 0, "bos_id": 1, "eos_id": 2, "unk_id": 3, "pad_piece": pad, "bos_piece": "[CLS]"},
        **{"eos_piece": "[SEP]", "unk_piece": "[UNK]", "user_defined_symbols": "[MASK]"},
    )


def byte_pairs(*special: str, end_of_word: str = "") -> tuple[dict[str, int], list[str]]:
    """Train byte-level BPE on CORPUS; return its vocabulary and merges."""
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    suffix = {"end_of_word_suffix": end_of_word} if end_of_word else {}
    tokenizer = Tokenizer(models.BPE(**suffix))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=list(special) if not end_of_word else [],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        **suffix,
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    vocabulary = dict(model["vocab"])
    if end_of_word:  # CLIP has each byte with and without the suffix, and its special tokens last
        for byte in sorted(pre_tokenizers.ByteLevel.alphabet()):
            vocabulary.setdefault(byte + end_of_word, len(vocabulary))
        for token in special:
            vocabulary[token] = len(vocabulary)
    return vocabulary, [" ".join(merge) for merge in model["merges"]]


def text_preset(key: str, folder: Path):
    """Save a text preset of a family, and return (backbone, tokenizer) of KerasHub."""
    from keras_hub import models, tokenizers

    if key in ("bert", "distil_bert", "electra"):
        backbone_class, tokenizer_class = {
            "bert": (models.BertBackbone, tokenizers.BertTokenizer),
            "distil_bert": (models.DistilBertBackbone, tokenizers.DistilBertTokenizer),
            "electra": (models.ElectraBackbone, tokenizers.ElectraTokenizer),
        }[key]
        tokenizer = tokenizer_class(WORDS, lowercase=True)
        sizes = {"vocab_size": len(WORDS), "embedding_dim": 4} if key == "electra" else {"vocabulary_size": len(WORDS)}
        backbone = backbone_class(**sizes, **TRANSFORMER)
    elif key == "albert":
        tokenizer = tokenizers.AlbertTokenizer(bert_pieces("<pad>"))
        backbone = models.AlbertBackbone(tokenizer.vocabulary_size(), embedding_dim=4, **TRANSFORMER)
    elif key == "deberta_v3":
        tokenizer = tokenizers.DebertaV3Tokenizer(bert_pieces())
        backbone = models.DebertaV3Backbone(
            tokenizer.vocabulary_size(), max_sequence_length=64, bucket_size=16, **TRANSFORMER
        )
    elif key == "roberta":
        tokenizer = tokenizers.RobertaTokenizer(*byte_pairs("<s>", "<pad>", "</s>", "<unk>", "<mask>"))
        backbone = models.RobertaBackbone(tokenizer.vocabulary_size(), **TRANSFORMER)
    elif key == "xlm_roberta":
        tokenizer = tokenizers.XLMRobertaTokenizer(sentencepiece_model(unk_id=0, bos_id=1, eos_id=2))
        backbone = models.XLMRobertaBackbone(tokenizer.vocabulary_size(), **TRANSFORMER)
    else:
        return joint_preset(key, folder)[:2]
    return _saved(folder, backbone, tokenizer)


def image_preset(key: str, folder: Path):
    """Save a picture preset of a family, and return (backbone, converter) of KerasHub."""
    from keras_hub import layers, models

    sizes = {"num_layers": 3, "num_heads": 2, "hidden_dim": 8}
    options = {"image_size": (SIZE, SIZE), "scale": SCALE, "offset": OFFSET}
    if key == "vit":
        converter = layers.ViTImageConverter(interpolation="bilinear", **options)
        backbone = models.ViTBackbone((SIZE, SIZE, 3), 8, mlp_dim=16, **sizes)
    elif key == "dinov2":
        converter = layers.DINOV2ImageConverter(interpolation="bicubic", antialias=True, **options)
        backbone = models.DINOV2Backbone(
            8,
            intermediate_dim=16,
            num_register_tokens=2,
            image_shape=(48, 48, 3),
            position_embedding_shape=(48, 48),
            **sizes,
        )
    elif key == "dinov3":
        converter = layers.DINOV3ImageConverter(crop_to_aspect_ratio=False, antialias=True, **options)
        backbone = models.DINOV3Backbone(8, intermediate_dim=16, image_shape=(SIZE, SIZE, 3), **sizes)
    elif key == "resnet":
        converter = layers.ResNetImageConverter(**options)
        backbone = models.ResNetBackbone([64], [3], [64, 64], [1, 1], [1, 2], block_type="basic_block")
    elif key == "efficientnet":
        converter = layers.EfficientNetImageConverter(interpolation="bicubic", **options)
        backbone = models.EfficientNetBackbone(
            stackwise_width_coefficients=[1.0] * 3,
            stackwise_depth_coefficients=[1.0] * 3,
            stackwise_kernel_sizes=[3, 3, 5],
            stackwise_num_repeats=[1, 2, 3],
            stackwise_input_filters=[32, 16, 24],
            stackwise_output_filters=[16, 24, 160],
            stackwise_expansion_ratios=[1, 6, 6],
            stackwise_strides=[1, 2, 2],
            stackwise_squeeze_and_excite_ratios=[0.25] * 3,
            stackwise_block_types=["v1"] * 3,
        )
    elif key == "mobilenet":
        converter = layers.MobileNetImageConverter(**options)
        backbone = models.MobileNetBackbone(
            stackwise_expansion=[[40, 56], [64, 144, 144], [72, 72]],
            stackwise_num_blocks=[2, 3, 2],
            stackwise_num_filters=[[16, 16], [24, 24, 24], [24, 24]],
            stackwise_kernel_size=[[3, 3], [5, 5, 5], [5, 5]],
            stackwise_num_strides=[[2, 1], [2, 1, 1], [1, 1]],
            stackwise_se_ratio=[[None, None], [0.25, 0.25, 0.25], [0.3, 0.3]],
            stackwise_activation=[["relu", "relu"], ["hard_swish"] * 3, ["hard_swish"] * 2],
            output_num_filters=64,
            input_activation="hard_swish",
            output_activation="hard_swish",
            input_num_filters=16,
            stackwise_padding=[[1, 1], [2, 2, 2], [2, 2]],
            depthwise_filters=8,
            depthwise_stride=2,
            depthwise_residual=False,
            last_layer_filter=32,
            squeeze_and_excite=0.5,
        )
    else:
        backbone, _, converter = joint_preset(key, folder)
        return backbone, converter
    return _saved(folder, backbone, converter)


def joint_preset(key: str, folder: Path):
    """Save a preset that reads texts and pictures, and return (backbone, tokenizer, converter) of KerasHub."""
    from keras_hub import layers, models, tokenizers

    vision = {"patch_size": 8, "image_shape": (SIZE, SIZE, 3), **TRANSFORMER}
    text = {"embedding_dim": 8, "max_sequence_length": 16, **TRANSFORMER}
    options = {"image_size": (SIZE, SIZE), "scale": SCALE, "offset": OFFSET, "interpolation": "bicubic"}
    if key == "clip":
        special = ("<|startoftext|>", "<|endoftext|>")
        tokenizer = tokenizers.CLIPTokenizer(*byte_pairs(*special, end_of_word="</w>"))
        backbone = models.CLIPBackbone(
            models.CLIPVisionEncoder(name="vision", **vision),
            models.CLIPTextEncoder(tokenizer.vocabulary_size(), name="text", **text),
            projection_dim=6,
        )
        converter = layers.CLIPImageConverter(**options)
    elif key == "metaclip_2":
        tokenizer = tokenizers.MetaCLIP2Tokenizer(sentencepiece_model(unk_id=0, bos_id=1, eos_id=2))
        backbone = models.MetaCLIP2Backbone(
            models.MetaCLIP2VisionEncoder(name="vision", **vision),
            models.MetaCLIP2TextEncoder(tokenizer.vocabulary_size(), name="text", **text),
            projection_dim=6,
        )
        converter = layers.MetaCLIP2ImageConverter(**options)
    else:
        tokenizer = tokenizers.SigLIPTokenizer(sentencepiece_model(pad_id=0, eos_id=1, unk_id=2, bos_id=-1))
        backbone = models.SigLIPBackbone(
            models.SigLIPVisionEncoder(name="vision", **vision),
            models.SigLIPTextEncoder(tokenizer.vocabulary_size(), name="text", **text),
        )
        converter = layers.SigLIPImageConverter(crop_to_aspect_ratio=False, **options)
    return _saved(folder, backbone, tokenizer, converter)


def _saved(folder: Path, backbone, *others):
    rng = np.random.default_rng(0)
    for variable in backbone.trainable_weights:  # several initial values are zero
        is_depthwise = len(variable.shape) == 4 and variable.shape[-1] == 1  # otherwise all pictures look the same
        fan_in = max(1.0, float(np.prod(variable.shape[: 2 if is_depthwise else -1])))
        if "embedding" in variable.path:  # otherwise all texts look the same after ALBERT's blocks
            fan_in = 1.0
        noise = rng.normal(0.0, fan_in**-0.5 if len(variable.shape) > 1 else 0.1, variable.shape)
        variable.assign(noise if len(variable.shape) > 1 else variable.numpy() + noise)
    for part in (backbone, *others):
        part.save_to_preset(str(folder))
    return (backbone, *others)
