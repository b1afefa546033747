"""The hosts' packages and image made anew, for the security updates since; what is in use stays."""

from __future__ import annotations

import secrets
from pathlib import Path

from labgrader.providers.netns import image, runtime


def renew() -> bool:
    """Make the packages anew, and the image where there is one; returns whether a lab keeps the old one.

    Where that fails the old ones are put back. Raises LabError.
    """
    folder, final = image.made(image.cache_folder()), image.image_path()
    tar = folder / f"packages-{image.packages_digest()}.tar"
    aside = {path: folder / f"superseded-{secrets.token_hex(4)}" for path in (tar, final)}
    there = final.exists()
    with image._lock(folder):
        for path, place in aside.items():
            if path.exists():
                path.rename(place)
    try:
        image.packages()
        if there:
            image.ensure()
    except BaseException:
        for path, place in aside.items():
            if place.exists() and not path.exists():
                place.rename(path)
        raise
    aside[tar].unlink(missing_ok=True)
    if any(runtime._is_owned(lab) for lab in labs()):
        return True
    image.remove(aside[final])
    return False


def labs() -> list[Path]:
    """The folders of this user's labs, living or dead."""
    return [path for path in runtime.root().iterdir() if runtime.LAB_ID.match(path.name) and path.is_dir()]
