"""What a person may decide about a brain: try again, release, skip, forget, do again."""

from __future__ import annotations

from ecc_px.errors import InvalidSetting
from ecc_px.service.ledger import Brain, Ledger
from ecc_px.service.states import State

_COMING = (State.seen, State.arriving, State.late)


def retry(ledger: Ledger, brain: Brain) -> str:
    """Have a brain looked at again, after something was mended; what happens now, as a sentence.

    Raises
    ------
    InvalidSetting
        There is nothing to try again.
    """
    if brain.state is State.retry:
        after = State.queued if brain.fingerprint else State.settled
    elif brain.state is State.quarantined:
        after = State.settled
    elif brain.state is State.skipped:
        after = State.arriving
    else:
        raise InvalidSetting(f"{brain.title} is {brain.state}: there is nothing to try again.")
    _change(ledger, brain, after, "Somebody said to try it again.", attempts=0, memory=None)
    return f"{brain.title} is {after} again."


def release(ledger: Ledger, brain: Brain) -> str:
    """Have a brain taken as it is, without waiting for a marker, planes or quiet; what happens now, as a sentence.

    Raises
    ------
    InvalidSetting
        It does not wait for anything.
    """
    if brain.state in _COMING:
        ledger.update(brain.id, is_released=True)
        return f"{brain.title} is taken as it is at the next look."
    if brain.state in (State.quarantined, State.skipped):
        _change(
            ledger, brain, State.settled, "Somebody released it: it is taken as it is.", attempts=0, is_released=True
        )
        return (
            f"{brain.title} is checked again, whatever number of planes was expected. Planes that are damaged, or "
            "missing between others, set it aside again, unless its route says allow_missing = true."
        )
    raise InvalidSetting(f"{brain.title} is {brain.state}: it waits for nothing that it could be released from.")


def skip(ledger: Ledger, brain: Brain) -> str:
    """Have a brain not processed; what happens now, as a sentence.

    Raises
    ------
    InvalidSetting
        It is skipped already.
    """
    if brain.state is State.skipped:
        raise InvalidSetting(f"{brain.title} is skipped already.")
    _change(ledger, brain, State.skipped, "Somebody said to skip it.")
    return f"{brain.title} is skipped" + (" and stopped." if brain.state is State.running else ".")


def forget(ledger: Ledger, brain: Brain) -> str:
    """Remove a brain from the ledger; what happens now, as a sentence.

    Raises
    ------
    InvalidSetting
        It is being worked on.
    """
    ledger.forget(brain.id)
    return f"{brain.title} is forgotten; results on the disk stay. If its raw data are still there, it is seen as new."


def rerun(ledger: Ledger, brain: Brain) -> str:
    """Have a brain with stale results done again; what happens now, as a sentence.

    Raises
    ------
    InvalidSetting
        Its results are those that would be made.
    """
    if brain.state is State.done:
        raise InvalidSetting(
            f"{brain.title} is done with the classifier and the settings that it would be done with again. If its "
            f"results are damaged, remove {brain.output} and forget it."
        )
    if brain.state is not State.stale:
        raise InvalidSetting(f"{brain.title} is {brain.state}: only stale brains are done again.")
    _change(ledger, brain, State.queued, "Somebody said to do it again.", attempts=0, seconds=0.0, place=None)
    ledger.to_the_end(brain.id)
    return f"{brain.title} is queued; its results until now are moved to the folder 'earlier' when it begins."


def _change(ledger: Ledger, brain: Brain, after: State, why: str, **also: object) -> None:
    if not ledger.change(brain.id, after, why, only_from=[brain.state], **also):
        raise InvalidSetting(f"{brain.title} is not {brain.state} any more; look again.")
