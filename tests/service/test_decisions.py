"""What people decide about a brain holds, and what makes no sense is refused with a sentence."""

import pytest
from facilities import HandClock

from ecc_px.errors import InvalidSetting
from ecc_px.service import decisions
from ecc_px.service.ledger import Ledger
from ecc_px.service.states import State

WAY = (State.arriving, State.settled, State.checked, State.queued)


@pytest.fixture
def ledger():
    return Ledger(None, clock=HandClock())


def brain(ledger, state, name="m1"):
    """A brain in a state that it came to in an honest way."""
    number = ledger.see("PV", name, f"/in/{name}", f"/out/{name}").id
    way = {
        State.seen: (),
        State.late: (State.arriving, State.late),
        State.retry: (*WAY[:2], State.retry),
        State.quarantined: (*WAY[:2], State.quarantined),
        State.skipped: (State.arriving, State.skipped),
    }.get(state, WAY[: WAY.index(state) + 1] if state in WAY else WAY)
    for step in way:
        ledger.change(number, step, f"to {step}")
    if state in (State.running, State.done, State.stale):
        lease = ledger.lease(number, "its turn")
        if state is not State.running:
            ledger.end(lease.token, State.done, "done", identity=name, seconds=7200.0)
    if state is State.stale:
        ledger.change(number, state, "another classifier")
    assert ledger.brain(number).state is state
    return ledger.brain(number)


@pytest.mark.parametrize(
    ("decision", "before", "after"),
    [
        (decisions.retry, State.retry, State.settled),
        (decisions.retry, State.quarantined, State.settled),
        (decisions.retry, State.skipped, State.arriving),
        (decisions.release, State.quarantined, State.settled),
        (decisions.release, State.skipped, State.settled),
        (decisions.release, State.late, State.late),
        (decisions.skip, State.seen, State.skipped),
        (decisions.skip, State.queued, State.skipped),
        (decisions.skip, State.running, State.skipped),
        (decisions.skip, State.done, State.skipped),
        (decisions.rerun, State.stale, State.queued),
    ],
)
def test_decision_takes_a_brain_on(decision, before, after, ledger):
    known = brain(ledger, before)
    assert "PV/m1" in decision(ledger, known)
    now = ledger.brain(known.id)
    assert now.state is after
    assert now.is_released == (decision is decisions.release)
    assert ledger.contradictions() == []


@pytest.mark.parametrize(
    ("decision", "state", "words"),
    [
        (decisions.retry, State.done, "nothing to try again"),
        (decisions.release, State.queued, "waits for nothing"),
        (decisions.skip, State.skipped, "skipped already"),
        (decisions.forget, State.running, "being worked on"),
        (decisions.rerun, State.done, "is done with the classifier"),
        (decisions.rerun, State.arriving, "only stale brains"),
    ],
)
def test_decision_that_makes_no_sense_is_refused(decision, state, words, ledger):
    known = brain(ledger, state)
    with pytest.raises(InvalidSetting, match=words):
        decision(ledger, known)
    assert ledger.brain(known.id).state is state


def test_decision_about_what_has_changed_meanwhile_is_refused(ledger):
    seen = brain(ledger, State.quarantined)
    ledger.change(seen.id, State.arriving, "its files changed")
    with pytest.raises(InvalidSetting, match="not quarantined any more"):
        decisions.retry(ledger, seen)


def test_brain_is_retried_where_it_was(ledger):
    known = brain(ledger, State.retry)
    ledger.update(known.id, fingerprint="sha256:checked")
    decisions.retry(ledger, ledger.brain(known.id))
    assert ledger.brain(known.id).state is State.queued


def test_forgotten_brain_leaves_its_history_and_may_be_done_again(ledger):
    known = brain(ledger, State.done)
    decisions.forget(ledger, known)
    assert ledger.brain(known.id) is None
    assert ledger.result("m1") is None
    assert ledger.events(known.id)[-1].after is State.done
    assert brain(ledger, State.done).id != known.id


def test_rerun_brain_is_the_last_of_the_queue(ledger):
    first = brain(ledger, State.stale, "m1")
    ledger.update(first.id, place=1)
    second = brain(ledger, State.queued, "m2")
    ledger.update(second.id, place=2)
    decisions.rerun(ledger, first)
    assert [known.name for known in ledger.brains(State.queued)] == ["m2", "m1"]
