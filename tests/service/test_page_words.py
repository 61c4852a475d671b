"""How the page says and orders things: pure functions."""

from __future__ import annotations

import doctest
from datetime import timedelta

from pages import NOW, a_brain, a_running_brain, a_service
from prometheus_client.parser import text_string_to_metric_families

from ecc_px.service.page import wording
from ecc_px.service.page.groups import finish_time, grouped, headline
from ecc_px.service.page.metrics import metrics_text
from ecc_px.service.page.views import Totals
from ecc_px.service.states import State


def test_examples_in_the_words() -> None:
    result = doctest.testmod(wording)
    assert result.attempted > 0
    assert result.failed == 0


def test_every_state_of_the_ledger_has_words_and_a_place_on_the_page() -> None:
    for state in State:
        assert state.value in wording.STATES
        assert [group.key for group, _ in grouped([a_brain(1, state.value)])] != ["other"]


def test_what_needs_a_person_comes_first_and_the_next_in_the_queue_before_the_others() -> None:
    brains = [
        a_brain(1, "done"),
        a_brain(2, "queued", since=NOW - timedelta(minutes=1)),
        a_brain(3, "queued", since=NOW - timedelta(minutes=2)),
        a_brain(4, "quarantined"),
        a_brain(5, "hibernating"),
    ]
    assert [(group.key, [b.id for b in its]) for group, its in grouped(brains)] == [
        ("attention", [4]),
        ("waiting", [3, 2]),
        ("done", [1]),
        ("other", [5]),
    ]


def test_headline_says_the_worst_first() -> None:
    assert headline(a_service(), ()) == "Nothing to do"
    assert headline(a_service(a_running_brain()), ()) == "1 running"
    assert headline(a_service(a_running_brain(), a_brain(8, "late"), a_brain(9, "late")), ()) == (
        "2 brains need you, 1 running"
    )
    assert headline(a_service(a_running_brain()), ("The scan hangs.",)) == "The service is stuck"


def test_when_all_is_done_is_said_only_where_it_is_known() -> None:
    running, waiting = a_running_brain(done=0), a_brain(8, "queued", forecast_s=3580.0)
    hour = f"{(NOW + timedelta(hours=1)).astimezone():%H:%M}"
    assert finish_time(a_service(running, waiting)) == f"All done at about {hour}"
    assert finish_time(a_service(running, a_brain(8, "queued"))) == ""
    assert finish_time(a_service(running, waiting, paused="The disk is full.")) == ""
    assert finish_time(a_service()) == ""


def test_metrics_are_what_prometheus_reads() -> None:
    view = a_service(
        a_running_brain(silent_for=7),
        a_brain(8, "queued", since=NOW - timedelta(hours=1)),
        a_brain(9, "queued"),
        totals=Totals(brains=3, voxels=10**10, seconds=2500.5, failures=2),
    )
    text = metrics_text(view).decode()
    values = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert values["ecc_px_brains", "queued"] == 2
    assert values["ecc_px_brains", "running"] == 1
    assert values["ecc_px_brains", "quarantined"] == 0
    assert values["ecc_px_voxels_total",] == 10**10
    assert values["ecc_px_work_seconds_total",] == 2500.5
    assert values["ecc_px_failures_total",] == 2
    assert values["ecc_px_queue_age_seconds",] == 3600
    assert values["ecc_px_heartbeat_age_seconds",] == 7
    assert values["ecc_px_last_scan_age_seconds",] == 20
    assert values["ecc_px_running_voxels_per_second",] == 50
    assert values["ecc_px_disk_free_bytes", "/results"] == 400
    assert values["ecc_px_healthy",] == 1
    assert "mouse_" not in text
