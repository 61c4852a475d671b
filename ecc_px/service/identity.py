"""What makes results the same: the content of a brain, the classifier, and the settings."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ecc_px.classifiers import sha256_of
from ecc_px.completeness import fingerprint
from ecc_px.service.companions import companions_of, may_tell_of_data


def identity_of(fingerprint: str, classifier_sha256: str, settings_hash: str) -> str:
    """One text for the three together: with the same one, the results are the same."""
    three = "\n".join((fingerprint, classifier_sha256, settings_hash))
    return "sha256:" + hashlib.sha256(three.encode()).hexdigest()


def content_of(source: Path) -> str:
    """The fingerprint of a brain, the data that an .xml tells of included.

    Raises
    ------
    UnreadableVolume
    """
    own = fingerprint(source)
    data = companions_of(source) if may_tell_of_data(source) and source.is_file() else None
    if data is None:
        return own
    all_of_it = "\n".join([own, *(fingerprint(path) for path in data)])
    return "sha256:" + hashlib.sha256(all_of_it.encode()).hexdigest()


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
