"""Where the results of a brain lie, whose they are, and the reason file of one in quarantine.

`OUTPUT/ROUTE/BRAIN/` holds the results of one brain, made of one content with one classifier and one set of settings;
`brain.json` in it says of which. Before another one's results are begun there, those before are moved to
`OUTPUT/ROUTE/earlier/`, whole.
"""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

from ecc_px.volumes.partial import write_errors_named, written_whole

CARD = "brain.json"
REASON = "REASON.txt"
LOG = "brain.log"
EARLIER = "earlier"


def results_folder(output: Path, route: str, name: str) -> Path:
    """The folder of a brain's results."""
    return output / route / name


def card_of(folder: Path) -> dict[str, Any]:
    """What a folder of results is about; empty if there is none, or if it can't be read."""
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return card if isinstance(card, dict) else {}


def write_card(folder: Path, card: dict[str, Any]) -> None:
    """Say what a folder of results is about.

    Raises
    ------
    OutputFailed
    """
    with write_errors_named(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with written_whole(folder / CARD, overwrite=True) as temporary:
        temporary.write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def make_way(folder: Path, identity: str) -> Path | None:
    """Move aside the results of another identity, and say where they are now; None where nothing was in the way.

    Raises
    ------
    OutputFailed
    """
    card = card_of(folder)
    if not card or card.get("identity") == identity:
        return None
    earlier = folder.parent / EARLIER
    stamp = time.strftime("%Y-%m-%d_%H%M%S", time.localtime(card.get("begun") or folder.stat().st_mtime))
    with write_errors_named(folder):
        earlier.mkdir(exist_ok=True)
        aside = next(
            path for n in range(1000) if not (path := earlier / f"{folder.name}.{stamp}{f'-{n}' if n else ''}").exists()
        )
        folder.rename(aside)
        folder.mkdir()
        log = aside / LOG
        if log.exists():
            # One story for each brain: what happened before goes on in the new folder.
            (folder / LOG).write_bytes(log.read_bytes())
    return aside


def write_reason(folder: Path, title: str, source: str, reason: str, findings: list[str], facility: Path) -> None:
    """Say beside a brain's results why it is in quarantine, and how to get it out.

    Raises
    ------
    OutputFailed
    """
    lines = [
        f"{title} is in quarantine and is not processed. Its raw data were not touched:",
        f"  {source}",
        "",
        "Why:",
        f"  {reason}",
    ]
    if findings:
        lines += ["", "All that was found:", *(f"  - {finding}" for finding in findings)]
    lines += [
        "",
        "What to do:",
        "  Mend the raw data (copy them again, for example): that is noticed, and the brain is looked at again by",
        "  itself. If the data are as they should be and something else was mended (the classifier, the",
        "  configuration, permissions), have it looked at again:",
        f"    ecc-px service retry '{title}' --facility '{facility}'",
        "  If it shall never be processed:",
        f"    ecc-px service skip '{title}' --facility '{facility}'",
    ]
    with write_errors_named(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with written_whole(folder / REASON, overwrite=True) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def remove_reason(folder: Path) -> None:
    """The brain is not in quarantine any more.

    Raises
    ------
    OutputFailed
    """
    with write_errors_named(folder):
        (folder / REASON).unlink(missing_ok=True)


def remove_leftovers(folder: Path) -> None:
    """Of results that are complete: what was needed only to go on with an unfinished try, and is hidden.

    Raises
    ------
    OutputFailed
    """
    with write_errors_named(folder):
        for left in folder.glob(".*"):
            if left.is_dir():
                shutil.rmtree(left)
            else:
                left.unlink()
