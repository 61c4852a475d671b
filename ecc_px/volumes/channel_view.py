"""One channel of a volume, as a volume."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ecc_px.errors import InvalidSetting
from ecc_px.volumes.volume import Layout, Volume


def channel_number(volume: Volume, channel: int | str) -> int:
    """The number, from 0, of a channel that is given by its number or its name.

    A name wins over a number: a channel called "2" is that one. Upper and lower case count only where
    several names differ in nothing else.

    Raises
    ------
    InvalidSetting
        There is no such channel, or several.
    """
    names = volume.layout.channel_names or ()
    text = str(channel).strip()
    same = [number for number, name in enumerate(names) if name == text]
    alike = same or [number for number, name in enumerate(names) if name.lower() == text.lower()]
    if len(alike) == 1:
        return alike[0]
    if not alike and text.isdecimal() and int(text) < volume.channels:
        return int(text)
    problem = f"{len(alike)} channels are called {text!r}" if alike else f"it has no channel {text!r}"
    raise InvalidSetting(f"{volume.path}: {problem}; its channels are {channel_list(volume)}.")


def channel_list(volume: Volume) -> str:
    """Numbers and names, for a message."""
    names = volume.layout.channel_names
    if names and len(names) == volume.channels:
        return ", ".join(f"{number} ({name})" for number, name in enumerate(names))
    return "0 (it has one)" if volume.channels == 1 else f"0 to {volume.channels - 1}"


_PER_CHANNEL = ("class_labels",)
"""Attributes that say something of each channel."""


class ChannelView(Volume):
    """One channel of another volume; closing it closes that one.

    Parameters
    ----------
    volume : Volume
    channel : int or str
        Number from 0, or name.
    """

    def __init__(self, volume: Volume, channel: int | str) -> None:
        self._volume = volume
        self._channel = channel_number(volume, channel)
        self.path = volume.path
        self.name = volume.name
        self.attributes = dict(volume.attributes)
        for key in _PER_CHANNEL:
            stated = self.attributes.get(key)
            if isinstance(stated, list) and len(stated) == volume.channels:
                self.attributes[key] = [stated[self._channel]]
        self.layout = _without_others(volume, self._channel)

    def _read_stored(self, index: tuple[slice, ...]) -> npt.NDArray[Any]:
        """Of the other volume's dimensions, `index` leaves out the channel."""
        stored = self._volume._read_stored(self._index_of_all(index))
        at = self._volume.axes.find("c")
        return stored if at < 0 else np.squeeze(stored, at)

    def _index_of_all(self, index: tuple[slice, ...]) -> tuple[slice, ...]:
        at = self._volume.axes.find("c")
        return index if at < 0 else (*index[:at], slice(self._channel, self._channel + 1), *index[at:])

    def _is_stored(self, index: tuple[slice, ...]) -> bool:
        return self._volume._is_stored(self._index_of_all(index))

    def close(self) -> None:
        self._volume.close()


def _without_others(volume: Volume, channel: int) -> Layout:
    layout = volume.layout
    kept = [number for number, axis in enumerate(layout.axes) if axis != "c"]
    names = layout.channel_names
    name = names[channel] if names and len(names) == volume.channels else None
    chosen = f"{channel} of 0 to {volume.channels - 1}" + (f": {name}" if name else "")
    return replace(
        layout,
        axes="".join(layout.axes[number] for number in kept),
        stored_shape=tuple(layout.stored_shape[number] for number in kept),
        chunks=None if layout.chunks is None else tuple(layout.chunks[number] for number in kept),
        channel_names=(name,) if name else None,
        origins=layout.origins | {"channel": chosen},
    )
