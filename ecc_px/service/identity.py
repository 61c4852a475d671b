"""What makes results the same: the content of a brain, the classifier, and the settings."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ecc_px.classifiers import sha256_of


def identity_of(fingerprint: str, classifier_sha256: str, settings_hash: str) -> str:
    """One text for the three together: with the same one, the results are the same."""
    three = "\n".join((fingerprint, classifier_sha256, settings_hash))
    return "sha256:" + hashlib.sha256(three.encode()).hexdigest()


class ClassifierHashes:
    """Hashes of classifiers' files, made again only where size or time differ."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[tuple[int, int], str]] = {}

    def of(self, path: Path) -> str:
        """The SHA-256 of a classifier's file.

        Raises
        ------
        OSError
        """
        status = path.stat()
        now = (status.st_size, status.st_mtime_ns)
        if path not in self._known or self._known[path][0] != now:
            self._known[path] = (now, sha256_of(path))
        return self._known[path][1]
