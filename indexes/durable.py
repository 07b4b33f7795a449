"""Files and folders synced to disk, so that they survive a power failure."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Return when the contents of a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
