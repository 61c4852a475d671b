"""systemd is told what it has to know, and gets a unit that it understands."""

import shutil
import socket
import subprocess

import pytest
from facilities import facility_text

from ecc_px.service.config import read_facility
from ecc_px.service.systemd import notify, unit


@pytest.fixture(params=["file", "abstract"])
def listener(request, tmp_path, monkeypatch):
    name = str(tmp_path / "notify") if request.param == "file" else f"@ecc-px {tmp_path.name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as opened:
        opened.bind(name.replace("@", "\0", 1))
        opened.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        yield opened


def test_messages_arrive(listener):
    assert notify("READY=1", "STATUS=Watching 2 routes")
    assert listener.recv(1000) == b"READY=1\nSTATUS=Watching 2 routes"


def test_without_systemd_nothing_is_told(monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    assert not notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", "/nowhere/notify")
    assert not notify("READY=1")


def test_unit_names_what_is_written_and_what_must_be_mounted(tmp_path):
    path = tmp_path / "facility.toml"
    path.write_text(facility_text(tmp_path / "my data 100%", service='memory = "10 GB"\njobs = 2'))
    text = unit(read_facility(path))
    lines = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    assert lines["Type"] == "notify"
    assert lines["ReadWritePaths"] == f"'{tmp_path}/my data 100%%/state' '{tmp_path}/my data 100%%/results'"
    assert f"'{tmp_path}/my data 100%%/incoming'" in lines["RequiresMountsFor"]
    assert lines["MemoryMax"] == "30000000000"
    assert lines["ExecStart"].endswith(f"watch {path}")


def test_unit_is_understood_by_systemd_where_there_is_one(tmp_path):
    path = tmp_path / "facility.toml"
    path.write_text(facility_text(tmp_path))
    text = unit(read_facility(path))
    sections = [line for line in text.splitlines() if line.startswith("[")]
    assert sections == ["[Unit]", "[Service]", "[Install]"]
    for line in text.splitlines():
        assert not line.strip() or line[0] in "#[" or "=" in line
    if shutil.which("systemd-analyze"):
        written = tmp_path / "ecc-px.service"
        written.write_text(text)
        said = subprocess.run(
            ["systemd-analyze", "verify", written], capture_output=True, text=True, check=False
        ).stderr
        assert "ecc-px.service" not in said
