"""Who is told what, and when: with a real ledger, and a real receiver on this machine."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from receiver import Receiver

from ecc_px.service.config import Notify
from ecc_px.service.ledger import Ledger
from ecc_px.service.notifications import LISTED, Message, Notifications, unusable
from ecc_px.service.states import State


class Sent:
    """Notifications whose messages are kept, and whose clock is set by hand."""

    def __init__(self, ledger: Ledger, *, urls: tuple[str, ...] = ("json://one",), on: tuple[str, ...] | None = None):
        self.now = 1000.0
        self.messages: list[tuple[str, Message]] = []
        self.works = dict.fromkeys(urls, True)
        notify = Notify(urls, digest=300.0) if on is None else Notify(urls, on, digest=300.0)
        self.telling = Notifications(ledger, notify, host="scope", send=self._send, clock=lambda: self.now)

    def _send(self, url: str, message: Message) -> bool:
        if self.works[url]:
            self.messages.append((url, message))
        return self.works[url]

    def after(self, seconds: float) -> list[tuple[str, str]]:
        """(address, title) of what is sent in the seconds that now pass, looked at every two."""
        before = len(self.messages)
        end = self.now + seconds
        while self.now < end:
            self.now += 2
            self.telling.step()
        return [(url, message.title) for url, message in self.messages[before:]]


WAYS = {
    State.done: (State.arriving, State.settled, State.checked, State.queued, State.done),
    State.quarantined: (State.arriving, State.settled, State.quarantined),
    State.late: (State.arriving, State.late),
}


def goes(ledger: Ledger, name: str, to: State, why: str = "So it is.") -> None:
    """A brain comes, and ends as `to`."""
    brain = ledger.see("PV", name, f"/in/{name}", f"/out/PV/{name}")
    for state in WAYS[to]:
        ledger.change(brain.id, state, why if state is to else "On its way.")


def test_what_is_done_waits_for_the_digest_and_comes_in_one_message() -> None:
    with Ledger(None) as ledger:
        sent = Sent(ledger)
        goes(ledger, "a", State.done, "1,234 cells were found.")
        assert sent.after(200) == []
        goes(ledger, "b", State.late, "No plane has come for 6 h.")
        assert sent.after(110) == [("json://one", "ecc_px on scope: 1 late, 1 done")]
        body = sent.messages[0][1].body
        assert body.index("PV/b: No plane has come for 6 h.") < body.index("PV/a: 1,234 cells were found.")
        assert sent.after(2000) == []


def test_a_failure_is_told_at_once_with_everything_else_and_never_in_a_storm() -> None:
    with Ledger(None) as ledger:
        sent = Sent(ledger)
        goes(ledger, "good", State.done)
        for number in range(LISTED + 5):
            goes(ledger, f"bad{number}", State.quarantined, "Plane Z7 is missing.")
        assert sent.after(10) == [("json://one", f"ecc_px on scope: {LISTED + 5} set aside, 1 done")]
        assert "and 5 more" in sent.messages[0][1].body
        assert sent.messages[0][1].urgent
        goes(ledger, "bad", State.quarantined)
        assert sent.after(40) == []
        assert len(sent.after(30)) == 1


def test_a_full_disk_is_told_once_and_its_end_too() -> None:
    with Ledger(None) as ledger:
        sent = Sent(ledger)
        ledger.note("shift", {"paused": "/data has 3 GB free."})
        assert sent.after(10) == [("json://one", "ecc_px on scope: disk")]
        ledger.note("shift", {"paused": "/data has 2 GB free."})
        assert sent.after(1000) == []
        ledger.note("shift", {"paused": None})
        assert len(sent.after(302)) == 1
        assert "room again" in sent.messages[-1][1].body


def test_a_folder_that_is_away_is_told_with_the_digest_and_its_return_too() -> None:
    with Ledger(None) as ledger:
        sent = Sent(ledger)
        ledger.note("shift", {"problems": ["/incoming can't be read."]})
        assert sent.after(290) == []
        assert sent.after(20) == [("json://one", "ecc_px on scope: trouble")]
        assert sent.after(1000) == []
        ledger.note("shift", {"problems": []})
        assert len(sent.after(302)) == 1
        assert "No longer: /incoming can't be read." in sent.messages[-1][1].body


def test_results_that_are_valid_again_are_no_news() -> None:
    with Ledger(None) as ledger:
        goes(ledger, "a", State.done)
        brain = ledger.find("a")
        sent = Sent(ledger)
        ledger.change(brain.id, State.stale, "Another classifier.")
        ledger.change(brain.id, State.done, "The same classifier.")
        assert sent.after(400) == []


def test_only_what_somebody_wants_to_know() -> None:
    with Ledger(None) as ledger:
        sent = Sent(ledger, on=("late",))
        goes(ledger, "a", State.done)
        goes(ledger, "b", State.quarantined)
        ledger.note("shift", {"paused": "full"})
        assert sent.after(400) == []
        goes(ledger, "c", State.late)
        assert sent.after(400) == [("json://one", "ecc_px on scope: 1 late")]


def test_who_can_not_be_reached_is_told_later_and_the_others_once(caplog: pytest.LogCaptureFixture) -> None:
    with Ledger(None) as ledger:
        sent = Sent(ledger, urls=("json://one", "slack://a-secret/b/c"))
        sent.works["slack://a-secret/b/c"] = False
        goes(ledger, "a", State.quarantined)
        assert [url for url, _ in sent.after(3600)] == ["json://one"]
        assert 3 <= len(caplog.records) <= 8
        assert "slack://…: a message could not be sent (try 1); it is tried again in 1 min." in caplog.messages[0]
        assert "secret" not in caplog.text
        goes(ledger, "b", State.done)
        sent.works["slack://a-secret/b/c"] = True
        told = sent.after(2 * 3600)
        assert ("slack://a-secret/b/c", "ecc_px on scope: 1 set aside, 1 done") in told
        assert ("json://one", "ecc_px on scope: 1 done") in told
        assert len(told) == 2


def test_after_a_crash_nothing_is_lost_and_nothing_told_twice() -> None:
    with Ledger(None) as ledger:
        goes(ledger, "years ago", State.done)
        first = Sent(ledger)
        goes(ledger, "told", State.done)
        assert len(first.after(302)) == 1
        goes(ledger, "untold", State.done)
        # The first one is never heard of again.
        second = Sent(ledger, urls=("json://one", "json://new"))
        told = second.after(302)
        assert [url for url, _ in told] == ["json://one"]
        assert "PV/untold" in second.messages[0][1].body
        assert "PV/told" not in second.messages[0][1].body
        goes(ledger, "later", State.done)
        assert len(second.after(302)) == 2


def test_messages_really_arrive_and_the_last_ones_before_the_end(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A busy machine may need longer to import apprise and to send than a service that is being stopped waits.
    monkeypatch.setattr("ecc_px.service.notifications.FAREWELL", 120.0)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        telling = Notifications(ledger, Notify((receiver.url,)), host="scope")
        telling.start()
        goes(ledger, "<b>a</b>", State.done, "12 cells were found.")
        telling.close()
    assert [message["title"] for message in receiver.got] == ["ecc_px on scope: 1 done"]
    assert "PV/<b>a</b>: 12 cells were found." in receiver.got[0]["message"]


def test_a_receiver_that_refuses_stops_nothing(
    tmp_path: Path, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.status = 500
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        telling = Notifications(ledger, Notify((receiver.url, "nonsense://x")), host="scope")
        goes(ledger, "a", State.quarantined)
        with caplog.at_level(logging.WARNING, logger="ecc_px"):
            telling.step(at_once=True)
        ours = [record.getMessage() for record in caplog.records if record.name.startswith("ecc_px")]
        assert [message.split(":")[0] for message in ours] == ["json", "nonsense"]
        assert not any("secret" in message for message in ours)
        receiver.status = 200
        telling.step(at_once=True)
        assert len(receiver.got) == 1


def test_addresses_that_can_not_work_are_named_without_their_secrets(caplog: pytest.LogCaptureFixture) -> None:
    wrong = unusable(["json://localhost/x", "nonsense://secret@host", "mailto://"])
    assert list(wrong) == ["nonsense://secret@host", "mailto://"]
    assert wrong["nonsense://secret@host"].startswith("nonsense://…: ")
    assert "secret" not in " ".join(wrong.values()) + caplog.text
