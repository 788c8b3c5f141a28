"""The families of encoders that automm reads from KerasHub, and how a name is recognised.

Nothing here imports Keras, downloads weights or reads them: a name is refused in the first seconds of a command. The
family of a folder is in its config.json; the family of a preset's name is the file of KerasHub that lists the name.
"""

import importlib.util
import json
import re
import socket
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from automm.errors import ConfigError, WeightsError, nearest
from automm.models.weights.packages import PACKAGES

TEXT, IMAGE = ("text",), ("image",)
BOTH = (*TEXT, *IMAGE)


@dataclass(frozen=True)
class Family:
    """A family of encoders.

    Attributes:
        name: as people write it.
        reads: the modalities that it reads.
        example: a preset of KerasHub.
        converted: the `model_type` of Hugging Face folders, or the beginning of the `architecture` of timm's folders,
            that KerasHub converts.
        fixed: its texts have a fixed length.
    """

    name: str
    reads: tuple[str, ...]
    example: str
    converted: tuple[str, ...] = ()
    fixed: bool = False


# By the name of KerasHub's folder; the class of a backbone is this name without underscores, with 'Backbone' behind it.
FAMILIES = {
    "bert": Family("BERT", TEXT, "bert_base_en", ("bert",)),
    "distil_bert": Family("DistilBERT", TEXT, "distil_bert_base_en", ("distilbert",)),
    "electra": Family("ELECTRA", TEXT, "electra_small_discriminator_uncased_en"),
    "albert": Family("ALBERT", TEXT, "albert_base_en_uncased", ("albert",)),
    "roberta": Family("RoBERTa", TEXT, "roberta_base_en", ("roberta",)),
    "xlm_roberta": Family("XLM-RoBERTa", TEXT, "xlm_roberta_base_multi", ("xlm-roberta",)),
    "deberta_v3": Family("DeBERTa-v3", TEXT, "deberta_v3_small_en"),
    "vit": Family("ViT", IMAGE, "vit_base_patch16_224_imagenet", ("vit",)),
    "dinov2": Family("DINOv2", IMAGE, "dinov2_small", ("dinov2", "dinov2_with_registers")),
    "dinov3": Family("DINOv3", IMAGE, "dinov3_vit_small_lvd1689m", ("dinov3_vit",)),
    "resnet": Family("ResNet", IMAGE, "resnet_50_imagenet", ("resnet",)),
    "efficientnet": Family("EfficientNet", IMAGE, "efficientnet_b0_ra_imagenet", ("efficientnet",)),
    "mobilenet": Family("MobileNet", IMAGE, "mobilenet_v3_small_100_imagenet", ("mobilenetv3",)),
    "clip": Family("CLIP", BOTH, "clip_vit_base_patch32", fixed=True),
    "siglip": Family("SigLIP", BOTH, "siglip_base_patch16_224", fixed=True),
    "metaclip_2": Family("MetaCLIP 2", BOTH, "metaclip_2_vit_huge_patch14_224", ("metaclip_2",), fixed=True),
}
TINY = {"text": "tiny-bert", "image": "tiny-cnn"}
KERAS, TRANSFORMERS, TIMM = "keras", "transformers", "timm"  # the formats of folders
SECONDS_TO_CONNECT = 2.0  # to a hub
SCHEMES = ("hf://", "kaggle://", "modelscope://")
NOT_CONVERTED = {
    "clip": "clip",
    "siglip": "siglip",
    "siglip2": "siglip",
    "electra": "electra",
    "deberta-v2": "deberta_v3",
}


@dataclass(frozen=True)
class Recognised:
    """What a name of an encoder stands for.

    Attributes:
        name: as in the experiment file.
        key: of FAMILIES.
        format: of its files: KERAS, TRANSFORMERS or TIMM.
    """

    name: str
    key: str
    format: str

    @property
    def family(self) -> Family:
        return FAMILIES[self.key]


def own_encoders(modality: str) -> tuple[str, ...]:
    """Return the names of automm's own encoders: the packaged ones, and the tiny one for tests."""
    return (*(name for name, package in PACKAGES.items() if package.kind == modality), TINY[modality])


def check_encoder(name: str, modality: str) -> None:
    """Refuse a name that no encoder of the modality can have; errors as in `recognise`."""
    if name not in own_encoders(modality):
        recognise(name, modality)


def recognise(name: str, modality: str) -> Recognised:
    """Return the family of an encoder that is not one of automm's own.

    Args:
        name: a folder, a KerasHub preset, or a handle such as 'hf://intfloat/multilingual-e5-base'.
        modality: what it shall read.

    Raises:
        ConfigError: its family is not supported, or it does not read the modality.
        WeightsError: there is no such folder or preset, or the config of a handle cannot be fetched.
    """
    if "://" in name and not name.startswith(SCHEMES):
        raise ConfigError(f"encoders.{modality}: {name!r} has an unknown scheme. Use one of: {', '.join(SCHEMES)}")
    if name.startswith("hf://"):
        found = _of_config(name, _fetched_config(name), modality)
    elif name.startswith("kaggle://"):
        found = _of_kerashub(name, name.partition("://")[2].split("/")[1:2], modality)
    elif "://" not in name and "/" in name and Path(name).is_dir():
        found = _of_config(name, _folder_config(Path(name)), modality)
    elif "://" not in name and "/" in name:
        raise ConfigError(
            f"encoders.{modality}: folder {name!r} does not exist. Correct the path, or name one of: {_names(modality)}"
        )
    else:
        preset = name.rpartition("/")[2]  # modelscope://organisation/preset
        found = _of_kerashub(name, [key for key, presets in _listed().items() if preset in presets], modality)
    if modality not in found.family.reads:
        reads = " and ".join({"text": "texts", "image": "pictures"}[each] for each in found.family.reads)
        raise ConfigError(
            f"encoders.{modality}: {name!r} is a {found.family.name}, which reads {reads}. "
            f"Name one of: {_supported(modality)}"
        )
    return found


def _of_kerashub(name: str, keys: list[str], modality: str) -> Recognised:
    key = _canonical(keys[0]) if keys else ""
    if key in FAMILIES:
        return Recognised(name, key, KERAS)
    if key:
        raise _refused(name, key, modality)
    presets = [preset for key in FAMILIES if modality in FAMILIES[key].reads for preset in _listed().get(key, ())]
    hint = nearest(name, [*own_encoders(modality), *presets])
    raise WeightsError(
        f"encoders.{modality}: there is no encoder {name!r}.{hint} Name one of {_names(modality)}, a preset of "
        "KerasHub, a folder with one (with a slash: ./folder), or hf://organisation/model"
    )


def _of_config(name: str, config: dict[str, object], modality: str) -> Recognised:
    registered = str(config.get("registered_name", ""))
    if registered:
        kind = registered.rpartition(">")[2]
        key = next((key for key in FAMILIES if _class_name(key) == kind.lower()), "")
        if not key:
            raise _refused(name, kind.removesuffix("Backbone"), modality)
        return Recognised(name, key, KERAS)
    kind = str(config.get("model_type") or config.get("architecture") or "")
    layout = TRANSFORMERS if config.get("model_type") else TIMM
    if not kind:
        raise WeightsError(
            f"encoder {name!r} cannot be loaded: its config.json has no registered_name, model_type or architecture. "
            "Name a folder that KerasHub's save_to_preset wrote, or one of Hugging Face"
        )
    for key, family in FAMILIES.items():
        if kind in family.converted or (layout == TIMM and kind.startswith(family.converted or ("-",))):
            return Recognised(name, key, layout)
    if kind in NOT_CONVERTED:
        family = FAMILIES[NOT_CONVERTED[kind]]
        raise ConfigError(
            f"encoders.{modality}: {name!r} is a {family.name} of Hugging Face, which KerasHub cannot convert. "
            f"Name its preset instead, for example {family.example}"
        )
    raise _refused(name, kind, modality)


def _refused(name: str, kind: str, modality: str) -> ConfigError:
    return ConfigError(
        f"encoders.{modality}: {name!r} is of the family {kind}, which automm does not read. "
        f"Name an encoder of {_supported(modality)}"
    )


def _supported(modality: str) -> str:
    return ", ".join(f"{family.name} ({family.example})" for family in FAMILIES.values() if modality in family.reads)


def _names(modality: str) -> str:
    return ", ".join(own_encoders(modality))


def _class_name(key: str) -> str:
    return key.replace("_", "") + "backbone"


def _canonical(key: str) -> str:
    """Return the key of FAMILIES for a folder of Kaggle, such as 'metaclip2', 'mobilenetv3' or 'resnetv2'."""
    plain = re.sub("(?<=resnet)v[12]$|(?<=resnet)_?vd$|(?<=mobilenet)v3$", "", key)
    return next((known for known in FAMILIES if known.replace("_", "") == plain.replace("_", "")), key)


def _listed() -> dict[str, frozenset[str]]:
    """Return the presets of the installed KerasHub by its folder, read from its files: importing it takes seconds."""
    found = importlib.util.find_spec("keras_hub")
    if found is None or found.origin is None:
        return {}
    files = sorted((Path(found.origin).parent / "src" / "models").glob("*/*_presets.py"))
    return {
        file.parent.name: frozenset(re.findall(r'^    "([^"]+)": \{', file.read_text("utf-8"), re.M)) for file in files
    }


def _folder_config(folder: Path) -> dict[str, object]:
    try:
        config = json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"encoder {str(folder)!r} cannot be loaded: its config.json cannot be read ({error}). "
            "Name a folder that KerasHub's save_to_preset wrote, or one of Hugging Face"
        ) from error
    return config if isinstance(config, dict) else {}


def _fetched_config(name: str) -> dict[str, object]:
    from huggingface_hub import constants, hf_hub_download, try_to_load_from_cache

    model = name.removeprefix("hf://")
    try:
        path = try_to_load_from_cache(model, "config.json")
        if not isinstance(path, str):
            _connect(constants.ENDPOINT)
            path = hf_hub_download(model, "config.json")
        return _folder_config(Path(path).parent)
    except (OSError, ValueError, RuntimeError) as error:  # no network, no such model, a malformed name
        raise WeightsError(
            f"encoder {name!r} cannot be loaded: {str(error).strip().splitlines()[0].rstrip('.')}. "
            "Check the name and the network, or download the model and name its folder"
        ) from error


def _connect(address: str) -> None:
    """Raise OSError if a hub cannot be reached; its own library tries for 24 seconds before it says so.

    With a proxy nothing is tried: only the proxy may resolve the name.
    """
    hub = urlsplit(address)
    if hub.hostname is None or hub.scheme in getproxies():
        return
    try:
        socket.create_connection((hub.hostname, hub.port or 443), timeout=SECONDS_TO_CONNECT).close()
    except OSError as error:
        raise OSError(f"{hub.hostname} cannot be reached ({error})") from error
