"""The status page over real sockets: what it says, what it never gives away, and that it is in nobody's way."""

from __future__ import annotations

import json
import logging
import os
import socket
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from pages import NOW, Told, a_brain, a_running_brain, a_service, ask, served

from ecc_px.errors import LedgerFailed
from ecc_px.service.page import server
from ecc_px.service.page.server import StatusPage
from ecc_px.service.page.views import Change, Output, ServiceView

TOKEN = "corréct horse"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def test_overview_tells_who_needs_a_person_and_what_runs(tmp_path: Path) -> None:
    brains = (
        a_brain(1, "quarantined", reason="plane Z0123 is missing. Copy it again."),
        a_running_brain(2, done=634),
        a_brain(3, "done", cells=12345),
    )
    with served(Told(a_service(*brains)), tmp_path) as page:
        answer = ask(page, "/")
    assert answer.status == 200
    assert "1 brain needs you, 1 running" in answer.text
    assert "plane Z0123 is missing. Copy it again." in answer.text
    assert "63 %" in answer.text
    assert "12,345 cells" in answer.text


def test_names_and_reasons_are_text_and_never_markup(tmp_path: Path) -> None:
    bad = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>"
    brain = a_brain(
        7,
        "quarantined",
        name=bad,
        route=bad,
        source=bad,
        reason=bad,
        flags=(bad,),
        history=(Change(NOW, None, bad, bad),),
    )
    source = Told(a_service(brain, paused=bad, host=bad))
    with served(source, tmp_path, token=TOKEN) as page:
        for path in ("/", "/live", "/brains/7", "/brains/7/live", f"/{bad}".replace(" ", "%20")):
            text = ask(page, path).text
            assert "<script>alert" not in text
            assert "<img src=x" not in text
        assert json.loads(ask(page, "/api/brains").body)["brains"][0]["name"] == bad


def test_a_name_that_is_no_valid_text_is_shown_and_its_files_are_served(tmp_path: Path) -> None:
    name = os.fsdecode(b"M\xe4use_PV")
    (tmp_path / name).mkdir()
    (tmp_path / name / "cells.csv").write_text("X,Y,Z\n")
    brain = a_brain(7, "done", name=name, source=f"/in/{name}", outputs=(Output(f"{name}/cells.csv", 6),))
    with served(Told(a_service(brain)), tmp_path) as page:
        assert "M?use_PV" in ask(page, "/").text
        address = json.loads(ask(page, "/api/brains/7").body)["outputs"][0]["address"]
        assert address == "outputs/M%E4use_PV/cells.csv"
        assert ask(page, f"/{address}").text == "X,Y,Z\n"


def test_outputs_come_with_their_kind_and_without_scripts(tmp_path: Path) -> None:
    folder = tmp_path / "PV" / "mouse #7"
    folder.mkdir(parents=True)
    (folder / "report.html").write_text("<script>alert(1)</script>")
    with served(Told(a_service()), tmp_path) as page:
        path = "/outputs/PV/mouse%20%237/report.html"
        answer = ask(page, path)
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        assert answer.headers["Content-Security-Policy"].startswith("sandbox allow-downloads; default-src 'none'")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert ask(page, path, headers={"If-None-Match": answer.headers["ETag"]}).status == 304
        head = ask(page, path, method="HEAD")
        assert (head.status, head.body) == (200, b"")


NEVER_SERVED = [
    "../secret.txt",
    "PV/../../secret.txt",
    "%2e%2e/secret.txt",
    "%2e%2e%2fsecret.txt",
    "PV/%2e%2e/%2e%2e/secret.txt",
    "..%2fsecret.txt",
    "%252e%252e/secret.txt",
    "..\\secret.txt",
    "/etc/hostname.txt",
    "%2fetc%2fpasswd",
    "PV//cells.csv",
    "PV/cells.csv/",
    "PV/cells.csv%00.png",
    "PV%00/cells.csv",
    "PV",
    "PV/",
    "",
    "PV/link.txt",
    "linked/secret.txt",
    "PV/.cells.csv.partial-1.csv",
    ".hidden/cells.csv",
    "PV/pipe.txt",
    "PV/probabilities.h5",
    "PV/ledger.sqlite",
    "PV/missing.csv",
]


def test_nothing_but_finished_outputs_is_ever_served(tmp_path: Path) -> None:
    outputs = tmp_path / "outputs"
    for folder in ("PV", ".hidden"):
        (outputs / folder).mkdir(parents=True)
        (outputs / folder / "cells.csv").write_text("X,Y,Z\n")
    for name in (".cells.csv.partial-1.csv", "probabilities.h5", "ledger.sqlite"):
        (outputs / "PV" / name).write_text("unfinished")
    (tmp_path / "secret.txt").write_text("secret")
    (outputs / "PV" / "link.txt").symlink_to(tmp_path / "secret.txt")
    (outputs / "linked").symlink_to(tmp_path)
    os.mkfifo(outputs / "PV" / "pipe.txt")
    with served(Told(a_service()), outputs) as page:
        assert ask(page, "/outputs/PV/cells.csv").status == 200
        for path in NEVER_SERVED:
            answer = ask(page, f"/outputs/{path}")
            assert answer.status == 404, path
            assert b"secret" not in answer.body.replace(path.encode(), b"")
            assert b"unfinished" not in answer.body


def test_without_a_token_nothing_can_be_changed(tmp_path: Path) -> None:
    source = Told(a_service(a_brain(7, "quarantined")))
    with served(source, tmp_path) as page:
        assert "<button" not in ask(page, "/brains/7").text
        assert ask(page, "/brains/7/retry", method="POST", body="token=", headers=FORM).status == 403
        for method in ("POST", "PUT", "DELETE"):
            assert ask(page, "/brains/7", method=method).status == 405
    assert source.decided == []


def test_who_knows_the_token_decides_and_nobody_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecc_px.service.page.app.PATIENCE_AFTER_WRONG_TOKEN", 0.0)
    source = Told(a_service(a_brain(7, "quarantined"), a_brain(8, "queued")))
    right = "token=corr%C3%A9ct+horse"
    json_too = {"Authorization": f"Bearer {TOKEN}".encode().decode("latin-1"), "Accept": "application/json"}
    with served(source, tmp_path, token=TOKEN) as page:
        for body, headers in (
            (None, {}),
            ("token=wrong", FORM),
            ("token=", FORM),
            (right, {}),
            (right + "&x" * 9000, FORM),
            (None, {"Authorization": "Basic Y29ycmVjdA=="}),
            (None, {"Cookie": right}),
            (right, FORM | {"Sec-Fetch-Site": "cross-site"}),
        ):
            assert ask(page, "/brains/7/release", method="POST", body=body, headers=headers).status == 403
        assert ask(page, f"/brains/7/release?{right}", method="POST").status == 403
        assert ask(page, "/brains/7/release", method="GET").status == 405
        assert source.decided == []

        assert ask(page, "/brains/7/forget", method="POST", body=right, headers=FORM).status == 404
        answer = ask(page, "/brains/7/release", method="POST", body=right, headers=FORM)
        assert (answer.status, answer.headers["Location"]) == (303, "../7")
        assert source.decided == [(7, "release")]
        refused = ask(page, "/brains/8/retry", method="POST", headers=json_too)
        assert refused.status == 409
        assert json.loads(refused.body) == {"error": "8: it is not set aside, so there is nothing to retry."}


def test_on_the_loopback_only_its_own_names_are_answered(tmp_path: Path) -> None:
    strangers = ("evil.example", "127.0.0.1.evil.example:8765", "localhost@evil.example", "localhost.", "", "[::1")
    with served(Told(a_service()), tmp_path) as page:
        for host in ("localhost", "LOCALHOST:1", "127.0.0.1:8765", "[::1]:8765"):
            assert ask(page, "/api/brains", headers={"Host": host}).status == 200, host
        for host in strangers:
            assert ask(page, "/api/brains", headers={"Host": host}).status == 421, host


def test_every_page_forbids_what_comes_from_elsewhere(tmp_path: Path) -> None:
    with served(Told(a_service(a_brain(7))), tmp_path) as page:
        for path in ("/", "/brains/7", "/nothing", "/api/brains", "/static/page.css"):
            policy = ask(page, path).headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
        text = ask(page, "/").text + ask(page, "/static/page.css").text + ask(page, "/static/page.js").text
    assert "http://" not in text
    assert "https://" not in text


def test_healthz_tells_monitoring_when_scan_or_worker_are_stuck(tmp_path: Path) -> None:
    well = a_service(a_running_brain(silent_for=100))
    for view, status, word in (
        (well, 200, ""),
        (replace(well, last_scan=NOW - timedelta(minutes=6)), 503, "watched folders"),
        (replace(well, last_scan=None), 503, "no scan has ended yet"),
        (replace(well, last_scan=None, started=NOW), 200, ""),
        (replace(well, last_scan=NOW + timedelta(hours=1)), 200, ""),
        (replace(well, brains=(a_running_brain(silent_for=130),)), 503, "silent for 2 min"),
        (replace(well, brains=(a_brain(7, "quarantined"),), paused="disk full"), 200, ""),
    ):
        with served(Told(view), tmp_path) as page:
            answer = ask(page, "/healthz")
        assert answer.status == status
        assert word in " ".join(json.loads(answer.body)["problems"])


def test_a_ledger_that_cannot_be_read_is_a_sentence_and_no_crash(tmp_path: Path) -> None:
    class Broken(Told):
        def service(self) -> ServiceView:
            raise LedgerFailed("/state/ledger.sqlite: the ledger can't be read (disk I/O error).")

    with served(Broken(a_service()), tmp_path) as page:
        answer = ask(page, "/")
        assert answer.status == 503
        assert "the ledger can&#39;t be read (disk I/O error)" in answer.text
        assert ask(page, "/healthz").status == 503
        assert ask(page, "/metrics").status == 503


def test_a_bug_of_ours_is_a_plain_page_and_ends_nothing(tmp_path: Path) -> None:
    class Buggy(Told):
        def service(self) -> ServiceView:
            raise ZeroDivisionError("a <b>bug</b>")

    with served(Buggy(a_service(a_brain(7))), tmp_path) as page:
        answer = ask(page, "/")
        assert answer.status == 500
        assert "bug" not in answer.text
        assert "Content-Security-Policy" in answer.headers
        assert ask(page, "/api/brains/7").status == 200


def test_api_tells_everything_with_names_that_are_kept(tmp_path: Path) -> None:
    history = (Change(NOW - timedelta(hours=1), None, "seen"), Change(NOW, "seen", "running", "Its turn."))
    brain = replace(a_running_brain(7, done=250), history=history, outputs=(Output("PV/7/cells.csv", 5),))
    with served(Told(a_service(brain)), tmp_path) as page:
        overview = json.loads(ask(page, "/api/brains").body)
        one = json.loads(ask(page, "/api/brains/7").body)
        missing = ask(page, "/api/brains/99")
    assert overview["healthy"] is True
    assert overview["disks"] == [{"path": "/results", "free": 400, "total": 1000, "wanted": 50}]
    assert [brain["id"] for brain in overview["brains"]] == [7]
    assert one["work"] == {
        "step": "predicting",
        "voxels_done": 250,
        "voxels": 1000,
        "voxels_per_second": 50.0,
        "seconds_left": 15.0,
        "heartbeat": "2026-03-14T02:29:59+00:00",
    }
    assert one["history"][1] == {"at": NOW.isoformat(), "from": "seen", "to": "running", "reason": "Its turn."}
    assert one["outputs"] == [{"path": "PV/7/cells.csv", "bytes": 5, "address": "outputs/PV/7/cells.csv"}]
    assert missing.status == 404
    assert "no such brain" in json.loads(missing.body)["error"]


def test_an_occupied_address_is_a_sentence_and_the_page_comes_when_it_is_free(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "AGAIN_AFTER", 0.05)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        page = StatusPage(Told(a_service()), tmp_path, "127.0.0.1", port)
        with caplog.at_level(logging.WARNING):
            page.start()
        assert (
            f"127.0.0.1:{port}: the status page can't be served: another program listens there; stop it, or choose "
            "another port for http. The service goes on without its page, and tries again." in caplog.messages
        )
    try:
        for _ in range(200):
            try:
                assert ask(page, "/healthz").status == 200
                break
            except ConnectionRefusedError:
                page._ending.wait(0.05)
        else:
            pytest.fail("the page did not come")
    finally:
        page.stop()
    with pytest.raises(ConnectionRefusedError):
        ask(page, "/healthz")
