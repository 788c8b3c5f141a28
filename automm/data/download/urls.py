"""Pictures that records name by URL, and the files that stand for them.

`automm fetch-images` writes a picture to `image_root / local_name(url)`; reading looks for it there and nowhere else.
"""

import hashlib
import re
from pathlib import PurePosixPath

FOLDER = "fetched"
SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".avif")

_URL = re.compile(r"https?://", re.IGNORECASE)


def is_url(name: str) -> bool:
    """Whether a record names a picture by an http or https URL."""
    return _URL.match(name) is not None


def local_name(url: str) -> str:
    """The file of a URL's picture, relative to image_root, such as "fetched/9f86d0...0a08.jpg".

    The stem is the sha256 of the URL as the record has it, so that no URL can choose where it is written. The suffix is
    that of the URL's path where it is one of `SUFFIXES`, in lower case; else there is none.
    """
    path = PurePosixPath(re.split(r"[?#]", url, maxsplit=1)[0])
    suffix = path.suffix.lower() if path.suffix.lower() in SUFFIXES else ""
    return f"{FOLDER}/{hashlib.sha256(url.encode('utf-8', 'surrogatepass')).hexdigest()}{suffix}"
