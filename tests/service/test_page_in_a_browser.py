"""The status page as a person has it: in Chromium."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from pages import Told, a_brain, a_running_brain, a_service, served
from playwright.sync_api import Browser, Page, expect
from status_page_demo import InventedBrains

from ecc_px.service.page import pages


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open pages ask more often than anybody needs."""
    monkeypatch.setattr(pages, "UPDATED_EVERY", 300)


class Visitor:
    """A browser window that remembers everything that went wrong in it."""

    def __init__(self, chromium: Browser, **settings: object) -> None:
        self.context = chromium.new_context(**settings)  # type: ignore[arg-type]
        self.page: Page = self.context.new_page()
        self.mishaps: list[str] = []
        self.elsewhere: list[str] = []
        self.page.on("console", lambda message: self.mishaps.append(message.text))
        self.page.on("pageerror", lambda error: self.mishaps.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.mishaps.append(dialog.message), dialog.dismiss()))
        self.page.on("request", lambda request: self.elsewhere.append(request.url))

    def __enter__(self) -> Visitor:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()


def test_the_page_keeps_itself_up_to_date_without_being_loaded_again(chromium: Browser, tmp_path: Path) -> None:
    source = Told(a_service(a_running_brain(7, done=250), a_brain(8, "queued")))
    with served(source, tmp_path) as status, Visitor(chromium) as visitor:
        page = visitor.page
        page.goto(status.address)
        expect(page.locator(".card.running .share")).to_have_text("25 %")
        page.evaluate("window.stillTheSame = true; document.querySelector('[data-key=\"brain-8\"] a').focus()")

        source.view = a_service(a_brain(9, "arriving"), a_brain(7, "done", cells=1234), a_brain(8, "queued"))
        expect(page.locator(".group.done .card")).to_contain_text("1,234 cells")
        expect(page.locator(".group.arriving .card")).to_contain_text("mouse_9")
        expect(page.locator(".group.running")).to_have_count(0)
        expect(page).to_have_title(re.compile("^1 waiting, 1 arriving"))
        assert page.evaluate("window.stillTheSame")
        assert page.evaluate("document.activeElement.closest('li').dataset.key") == "brain-8"
        assert visitor.mishaps == []
        assert all(url.startswith(status.address) for url in visitor.elsewhere)


def test_the_page_says_when_the_service_is_away_and_goes_on_when_it_is_back(chromium: Browser, tmp_path: Path) -> None:
    source = Told(a_service(a_brain(7, "queued")))
    with Visitor(chromium) as visitor:
        page = visitor.page
        with served(source, tmp_path) as status:
            page.goto(status.address)
            expect(page.locator("#lost")).to_be_hidden()
        expect(page.locator("#lost")).to_contain_text("has not answered since")
        source.view = a_service(a_brain(7, "done"))
        with served(source, tmp_path, port=status.port):
            expect(page.locator("#lost")).to_be_hidden()
            expect(page.locator(".group.done")).to_contain_text("mouse_7")


def test_an_evil_name_stays_a_name(chromium: Browser, tmp_path: Path) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    brain = a_brain(7, "quarantined", name=evil, reason=evil, source=evil, flags=(evil,))
    source = Told(a_service(brain))
    with served(source, tmp_path, token="t") as status, Visitor(chromium) as visitor:
        page = visitor.page
        page.goto(status.address)
        expect(page.locator(".card .name")).to_have_text(evil)
        source.view = replace(source.view, paused=evil)
        expect(page.locator(".notice")).to_have_text(evil)
        page.locator(".card a").click()
        expect(page.locator("h1")).to_have_text(evil)
        assert visitor.mishaps == []


def test_a_script_in_an_output_never_runs(chromium: Browser, tmp_path: Path) -> None:
    page_of_evil = "<!doctype html><p>harmless</p><script>document.title = 'ran'; alert(1)</script>"
    (tmp_path / "a_report.html").write_text(page_of_evil)
    (tmp_path / "a.svg").write_text(
        "<svg xmlns='http://www.w3.org/2000/svg' onload='alert(2)'><script>alert(1)</script></svg>"
    )
    with served(Told(a_service()), tmp_path) as status, Visitor(chromium) as visitor:
        dialogs: list[str] = []
        visitor.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
        visitor.page.goto(f"{status.address}outputs/a_report.html")
        expect(visitor.page.locator("p")).to_have_text("harmless")
        assert visitor.page.title() == ""
        visitor.page.goto(f"{status.address}outputs/a.svg")
        assert dialogs == []


def test_a_person_with_the_token_releases_a_brain(chromium: Browser, tmp_path: Path) -> None:
    source = Told(a_service(a_brain(7, name="a b/c", state="quarantined", reason="A plane is missing.")))
    with served(source, tmp_path, token="tøken") as status, Visitor(chromium) as visitor:
        page = visitor.page
        page.goto(status.address)
        page.locator(".card a").click()
        page.get_by_label("Token").fill("tøken")
        page.get_by_role("button", name="Release").click()
        expect(page.locator(".state")).to_have_text("waiting")
        expect(page.get_by_role("button")).to_have_count(0)
        assert source.decided == [(7, "release")]


def test_nothing_is_cut_off_from_a_phone_to_the_wall(chromium: Browser, tmp_path: Path) -> None:
    source = InventedBrains(tmp_path)
    long = "a_very_long_name_without_any_space_" * 5
    source.brains[1] = replace(source.brains[1], name=long, reason=f"/data/{long}: it is gone.")
    with served(source, tmp_path, token="t") as status, Visitor(chromium) as visitor:
        page = visitor.page
        for path, words in (("?wall", long), ("", long), ("brains/1", long), ("brains/200", "mouse_100_PV")):
            page.goto(status.address + path)
            expect(page.locator("body")).to_contain_text(words)
            for width in (360, 1366, 3840):
                page.set_viewport_size({"width": width, "height": 800})
                assert page.evaluate("document.documentElement.scrollWidth") <= width, (path, width)
        page.wait_for_function("[...document.images].every(image => image.naturalWidth > 0)")
        assert visitor.mishaps == []
