"""A mistake in facility.toml is refused with a sentence that names the key, and never passes for the default."""

import inspect

import pytest
from facilities import facility_text

from ecc_px.cells import find_cells
from ecc_px.errors import InvalidSetting, OutputExists
from ecc_px.pipeline.predict import PredictionSettings
from ecc_px.service.config import CELL_SETTINGS, PREDICTION_SETTINGS, Complete, read_facility
from ecc_px.service.template import write_template


def read(tmp_path, text):
    path = tmp_path / "facility.toml"
    path.write_text(text)
    return read_facility(path)


def test_template_is_a_configuration_and_says_the_defaults_that_hold(tmp_path):
    path = tmp_path / "facility.toml"
    write_template(path)
    written = read_facility(path)
    assert written.routes[0].complete == Complete("done.txt", None, 600.0)
    assert written.routes[0].cells["max_volume"] == 64
    shown = path.read_text()
    for key in (
        "scan",
        "watching",
        "late",
        "jobs",
        "nice",
        "idle_io",
        "keep_free",
        "retries",
        "retry_after",
        "on",
        "digest",
    ):
        shown = shown.replace(f"# {key} ", f"{key} ")
    path.write_text(shown)
    assert read_facility(path) == written
    with pytest.raises(OutputExists):
        write_template(path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"service": "job = 2"}, r"\[service\] job: there is no such setting; did you mean jobs\?"),
        ({"service": "jobs = 0"}, r"\[service\] jobs: 0 is not 1 or more"),
        ({"service": "jobs = true"}, r"\[service\] jobs: True is not a whole number"),
        ({"service": "nice = 20"}, r"nice: 20 is not 0 to 19"),
        ({"service": 'scan = "10 minutes"'}, r"\[service\] scan: '10 minutes' is not a duration such as"),
        ({"service": "scan = 60"}, r"\[service\] scan: 60 is not a text"),
        ({"service": 'memory = "lots"'}, r"memory: 'lots' is not a size"),
        ({"service": 'http = "8765"'}, r"http: '8765' is not an address"),
        ({"service": 'watching = "always"'}, r"watching: 'always' is not one of auto, inotify, polling"),
        ({"service": '[notify]\non = ["lunch"]'}, r"\[notify\] on: 'lunch' is not one of"),
        ({"route": 'colour = "red"'}, r"\[route PV\] colour: there is no such setting"),
        ({"route": "cells = { treshold = 0.7 }"}, r"\[route PV.cells\] treshold: .* did you mean threshold\?"),
        ({"route": "level = -1"}, r"\[route PV\] level"),
        ({"complete": 'quiet = "soon"'}, r"\[route PV.complete\] quiet: 'soon'"),
        ({"complete": "planes = 0"}, r"\[route PV.complete\] planes"),
        ({"complete": 'marker = "a/b"'}, r"marker: 'a/b' is not a plain file name"),
        ({"service": "]"}, "it is not TOML"),
    ],
)
def test_mistake_is_refused_by_the_key(change, words, tmp_path):
    with pytest.raises(InvalidSetting, match=words) as raised:
        read(tmp_path, facility_text(tmp_path, **change))
    assert str(tmp_path / "facility.toml") in str(raised.value)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("[6.5, 6.5, 6.5]", "[6.5, 0, 6.5]", "voxel_um"),
        ("[6.5, 6.5, 6.5]", "[6.5, 6.5]", "voxel_um"),
        ('"*_PV*"', '"../*"', "match"),
        ('name = "PV"', 'name = "a/b"', "folder of results"),
        ('name = "PV"', 'title = "PV"', "name: it is missing; add for example"),
        ("/results", "/incoming/results", "output: .* which route PV watches"),
        ("/state/ledger", "/incoming/x/../ledger", "state: .* nothing is written among raw data"),
        ("/incoming", "/results/in", "lies in the folder of results"),
        ("[[route]]", "[[roads]]", "roads: there is no such setting"),
    ],
)
def test_places_and_names_that_would_do_harm_are_refused(old, new, words, tmp_path):
    with pytest.raises(InvalidSetting, match=words):
        read(tmp_path, facility_text(tmp_path).replace(old, new))


def test_relative_paths_begin_at_the_file(tmp_path):
    text = facility_text(tmp_path).replace(f"{tmp_path}/results", "here/../results")
    assert read(tmp_path, text).service.output == tmp_path / "results"


def test_no_file_is_refused_with_how_to_make_one(tmp_path):
    with pytest.raises(InvalidSetting, match=r"service init facility\.toml"):
        read_facility(tmp_path / "facility.toml")


def test_settings_of_a_route_are_those_of_the_library():
    assert set(CELL_SETTINGS) - {"class"} | {"class_"} <= set(inspect.signature(find_cells).parameters)
    assert set(PREDICTION_SETTINGS) <= set(inspect.signature(PredictionSettings).parameters)


def test_settings_hash_follows_what_decides_the_results_only(tmp_path):
    route = read(tmp_path, facility_text(tmp_path)).routes[0]
    patient = read(tmp_path, facility_text(tmp_path, complete='quiet = "2 h"', service="jobs = 2")).routes[0]
    stricter = read(tmp_path, facility_text(tmp_path, route="cells = { threshold = 0.7 }")).routes[0]
    assert route.settings_hash() == patient.settings_hash() != stricter.settings_hash()
