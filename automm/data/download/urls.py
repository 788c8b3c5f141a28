"""Pictures that records name by URL, and their local files.

`automm fetch-images` writes a picture to `image_root / local_name(url)`; reading finds it only there.
"""

import hashlib
import re
from pathlib import PurePosixPath

FOLDER = "fetched"
SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".avif")

_URL = re.compile(r"https?://", re.IGNORECASE)


def is_url(name: str) -> bool:
    """Return whether a picture name is an http or https URL."""
    return _URL.match(name) is not None


def local_name(url: str) -> str:
    """Return the file of a URL's picture, relative to image_root, such as "fetched/9f86d0...0a08.jpg".

    The stem is the sha256 of the URL in the record: a URL cannot choose where its picture is written. The suffix is the
    URL's own in lower case if it is one of `SUFFIXES`; otherwise there is none.
    """
    path = PurePosixPath(re.split(r"[?#]", url, maxsplit=1)[0])
    suffix = path.suffix.lower() if path.suffix.lower() in SUFFIXES else ""
    return f"{FOLDER}/{hashlib.sha256(url.encode('utf-8', 'surrogatepass')).hexdigest()}{suffix}"
