"""No brain is taken before it is complete, and none is missed. Time is moved by hand; files are real."""

import os
import shutil

import numpy as np
import pytest
import tifffile
from facilities import HandClock, facility_text

from ecc_px.service.arrival import Arrival
from ecc_px.service.config import read_facility
from ecc_px.service.ledger import Ledger
from ecc_px.service.states import State


class Microscope:
    """A watched folder, the service's eye on it, and the time."""

    def __init__(self, folder, **text):
        self.incoming = folder / "incoming"
        self.incoming.mkdir()
        path = folder / "facility.toml"
        path.write_text(facility_text(folder, **text))
        self.clock = HandClock()
        self.ledger = Ledger(None, clock=self.clock)
        self.facility = read_facility(path)
        self.arrival = Arrival(self.ledger, self.facility)

    def write(self, name, planes, content=b"plane"):
        brain = self.incoming / name
        brain.mkdir(exist_ok=True)
        for z in planes:
            (brain / f"Z{z:04}.tif").write_bytes(content)
        return brain

    def look(self, after=0.0):
        """States by name, after some seconds."""
        self.clock.forward(after)
        self.round = self.arrival.look_around()
        return {brain.name: brain.state for brain in self.ledger.brains()}

    def advance(self, *states):
        """Take the only brain further, as checking and processing would."""
        (brain,) = self.ledger.brains()
        for state in states:
            if state is State.running:
                self.lease = self.ledger.lease(brain.id, "its turn")
            elif state is State.done:
                self.ledger.end(self.lease.token, state, "done", identity="x")
            else:
                self.ledger.change(brain.id, state, f"to {state}")


@pytest.fixture
def microscope(tmp_path):
    return Microscope(tmp_path)


def test_brain_settles_when_nothing_has_changed_for_the_quiet_time(microscope):
    microscope.write("m1_PV", range(3))
    assert microscope.look() == {"m1_PV": State.arriving}
    microscope.write("m1_PV", [3])
    assert microscope.look(200) == {"m1_PV": State.arriving}
    assert microscope.look(599) == {"m1_PV": State.arriving}
    assert microscope.look(2) == {"m1_PV": State.settled}


def test_the_next_look_is_when_the_quiet_time_ends(microscope):
    microscope.write("m1_PV", range(3))
    microscope.look()
    assert microscope.round.next_look == 600
    microscope.look(590)
    assert microscope.round.next_look == pytest.approx(10)


@pytest.mark.parametrize("change", ["longer", "later", "renamed", "temporary"])
def test_any_change_begins_the_quiet_time_anew(change, microscope):
    brain = microscope.write("m1_PV", range(3))
    microscope.look()
    if change == "longer":
        (brain / "Z0001.tif").write_bytes(b"plane, and its end")
    elif change == "later":
        os.utime(brain / "Z0001.tif", (1e9, 1e9))
    elif change == "renamed":
        (brain / "Z0002.tif").rename(brain / "Z0003.tif")
    else:
        (brain / ".Z0003.tif.part").write_bytes(b"half a plane")
    assert microscope.look(299) == {"m1_PV": State.arriving}
    assert microscope.look(599) == {"m1_PV": State.arriving}
    assert microscope.look(2) == {"m1_PV": State.settled}


def test_what_browsers_leave_is_no_change_and_no_brain(microscope):
    brain = microscope.write("m1_PV", range(3))
    (microscope.incoming / ".m2_PV").mkdir()
    (microscope.incoming / "m3_PV.part").mkdir()
    (microscope.incoming / "m1_PV.txt").write_text("notes")
    microscope.look()
    (brain / "Thumbs.db").write_bytes(b"x")
    (brain / ".DS_Store").write_bytes(b"x")
    (brain / "@eaDir").mkdir()
    assert microscope.look(601) == {"m1_PV": State.settled}
    assert microscope.ledger.brains()[0].planes == 3


def test_slow_planes_are_given_more_time(microscope):
    brain = microscope.write("m1_PV", range(10))
    for z in range(10):
        os.utime(brain / f"Z{z:04}.tif", (1e9 + 100 * z, 1e9 + 100 * z))
    microscope.look()
    assert microscope.look(1999) == {"m1_PV": State.arriving}
    assert microscope.look(2) == {"m1_PV": State.settled}


def test_pause_that_was_seen_is_waited_for_twice(microscope):
    microscope.write("m1_PV", range(3))
    microscope.look()
    microscope.look(500)
    microscope.write("m1_PV", [3])
    microscope.look(50)
    assert microscope.look(1099) == {"m1_PV": State.arriving}
    assert microscope.look(2) == {"m1_PV": State.settled}


def test_marker_ends_the_waiting_wherever_it_is(tmp_path):
    microscope = Microscope(tmp_path, complete='marker = "done.txt"')
    inside, beside = microscope.write("m1_PV", range(3)), microscope.write("m2_PV", range(3))
    microscope.write("m3_PV", range(3))
    (microscope.incoming / "m4_PV.h5").write_bytes(b"a volume")
    assert set(microscope.look(3600).values()) == {State.arriving}
    (inside / "done.txt").touch()
    (microscope.incoming / f"{beside.name}.done.txt").touch()
    (microscope.incoming / "m4_PV.h5.done.txt").touch()
    microscope.look(1)
    assert microscope.look(60) == {
        "m1_PV": State.settled,
        "m2_PV": State.settled,
        "m3_PV": State.arriving,
        "m4_PV": State.settled,
    }


def test_marker_that_comes_before_the_planes_does_not_start_it(tmp_path):
    microscope = Microscope(tmp_path, complete='marker = "done.txt"')
    brain = microscope.write("m1_PV", [0])
    (brain / "done.txt").touch()
    for z in range(1, 20):
        microscope.write("m1_PV", [z])
        assert microscope.look(2) == {"m1_PV": State.arriving}
    assert microscope.look(11) == {"m1_PV": State.settled}


def test_expected_number_of_planes_ends_the_waiting_and_fewer_are_late(tmp_path):
    microscope = Microscope(tmp_path, complete='planes = 5, quiet = "10 min"', service='late = "2 h"')
    microscope.write("m1_PV", range(4))
    microscope.look()
    assert microscope.look(7100) == {"m1_PV": State.arriving}
    assert microscope.look(101) == {"m1_PV": State.late}
    assert "only 4 of 5 planes" in microscope.ledger.brains()[0].reason
    microscope.write("m1_PV", [4])
    assert microscope.look(5) == {"m1_PV": State.arriving}
    assert microscope.look(11) == {"m1_PV": State.settled}


def test_ome_metadata_tell_how_many_planes_will_come(microscope):
    brain = microscope.incoming / "m1_PV"
    brain.mkdir()
    names = [f"m1_Z{z}.ome.tif" for z in range(6)]
    uuids = "".join(
        f'<TiffData FirstZ="{z}"><UUID FileName="{name}">u</UUID></TiffData>' for z, name in enumerate(names)
    )
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
        '<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint16" SizeX="8" SizeY="8" SizeZ="6" SizeC="1" SizeT="1">'
        f"{uuids}</Pixels></Image></OME>"
    )
    for name in names[:5]:
        tifffile.imwrite(brain / name, np.zeros((8, 8), np.uint16), description=xml, metadata=None)
    microscope.look()
    assert microscope.look(3600) == {"m1_PV": State.arriving}
    assert microscope.ledger.brains()[0].expected_planes == 6
    tifffile.imwrite(brain / names[5], np.zeros((8, 8), np.uint16), description=xml, metadata=None)
    microscope.look(1)
    assert microscope.look(11) == {"m1_PV": State.settled}


def test_released_brain_is_taken_as_it_is(tmp_path):
    microscope = Microscope(tmp_path, complete="planes = 5")
    microscope.write("m1_PV", range(4))
    microscope.look()
    microscope.ledger.update(microscope.ledger.find("m1_PV").id, is_released=True)
    assert microscope.look(1) == {"m1_PV": State.settled}


def test_folder_that_is_renamed_when_complete_is_another_brain(microscope):
    brain = microscope.write("m1_PV_acquiring", range(3))
    microscope.look()
    brain.rename(microscope.incoming / "m1_PV")
    assert microscope.look(60) == {"m1_PV_acquiring": State.gone, "m1_PV": State.arriving}
    assert microscope.look(601)["m1_PV"] == State.settled


def test_folder_that_vanishes_half_way_is_gone_and_may_come_back(microscope):
    brain = microscope.write("m1_PV", range(3))
    microscope.look()
    shutil.rmtree(brain)
    assert microscope.look(60) == {"m1_PV": State.gone}
    assert microscope.look(6000) == {"m1_PV": State.gone}
    microscope.write("m1_PV", range(5))
    assert microscope.look(60) == {"m1_PV": State.arriving}
    assert microscope.look(601) == {"m1_PV": State.settled}
    assert microscope.ledger.contradictions() == []


@pytest.mark.parametrize("state", [State.settled, State.queued, State.running, State.quarantined, State.done])
def test_brain_that_changes_later_is_looked_at_again(state, microscope):
    microscope.write("m1_PV", range(3))
    microscope.look()
    microscope.look(601)
    way = [State.checked, State.queued, State.running, State.done]
    if state is State.quarantined:
        microscope.advance(state)
    elif state in way:
        microscope.advance(*way[: way.index(state) + 1])
    assert microscope.look(5) == {"m1_PV": state}
    microscope.write("m1_PV", [1], b"copied over itself")
    assert microscope.look(4000) == {"m1_PV": State.arriving}
    assert microscope.ledger.leases() == []
    assert microscope.look(601) == {"m1_PV": State.settled}
    assert microscope.ledger.contradictions() == []


def test_raw_data_may_go_when_the_brain_is_done(microscope):
    brain = microscope.write("m1_PV", range(3))
    microscope.look()
    microscope.look(601)
    microscope.advance(State.checked, State.queued, State.running, State.done)
    microscope.look()
    shutil.rmtree(brain)
    assert microscope.look(5000) == {"m1_PV": State.done}


def test_share_that_is_not_mounted_loses_no_brain(microscope, tmp_path):
    microscope.write("m1_PV", range(3))
    microscope.look()
    (tmp_path / "incoming").rename(tmp_path / "away")
    assert microscope.look(60) == {"m1_PV": State.arriving}
    assert "is the share mounted" in microscope.round.problems[0]
    (tmp_path / "away").rename(tmp_path / "incoming")
    assert microscope.look(541) == {"m1_PV": State.settled}
    assert microscope.round.problems == []


def test_clock_that_is_set_back_changes_nothing(microscope):
    microscope.write("m1_PV", range(3))
    microscope.look()
    microscope.clock.now -= 365 * 86400
    assert microscope.look(599) == {"m1_PV": State.arriving}
    assert microscope.look(2) == {"m1_PV": State.settled}


def test_new_start_of_the_service_goes_on_waiting_and_of_the_machine_waits_anew(microscope):
    microscope.write("m1_PV", range(3))
    microscope.look()
    microscope.clock.forward(400)
    microscope.arrival = Arrival(microscope.ledger, microscope.facility)
    assert microscope.look() == {"m1_PV": State.arriving}
    microscope.clock.boot, microscope.clock.seconds = "second boot", 20.0
    assert microscope.look() == {"m1_PV": State.arriving}
    assert microscope.look(599) == {"m1_PV": State.arriving}
    assert microscope.look(2) == {"m1_PV": State.settled}


def test_skipped_brain_is_left_alone(microscope):
    microscope.write("m1_PV", range(3))
    microscope.look()
    microscope.advance(State.skipped)
    microscope.write("m1_PV", range(9))
    assert microscope.look(6000) == {"m1_PV": State.skipped}


def test_two_brains_at_once_do_not_wait_for_each_other(microscope):
    microscope.write("m1_PV", range(3))
    microscope.write("m2_PV", range(3))
    microscope.look()
    microscope.write("m2_PV", range(4))
    microscope.look(599)
    assert microscope.look(2) == {"m1_PV": State.settled, "m2_PV": State.arriving}


def test_name_that_is_no_text_is_told_and_does_no_harm(microscope):
    (microscope.incoming / os.fsdecode(b"m\xff_PV")).mkdir()
    microscope.write("m1_PV", range(3))
    assert microscope.look() == {"m1_PV": State.arriving}
    assert "UTF-8" in microscope.round.problems[0]


def test_brains_may_lie_deeper_and_a_file_may_be_called_as_a_folder(tmp_path):
    microscope = Microscope(tmp_path)
    route = microscope.facility.routes[0]
    deep = tmp_path / "facility.toml"
    deep.write_text(deep.read_text().replace('"*_PV*"', '"mouse*/PV*"'))
    microscope.arrival = Arrival(microscope.ledger, read_facility(deep))
    (route.watch / "mouse1" / "PV").mkdir(parents=True)
    (route.watch / "mouse1" / "PV.h5").write_bytes(b"a volume")
    (route.watch / "mouse2").mkdir()
    (route.watch / "mouse2" / "Iba1").mkdir()
    assert set(microscope.look()) == {"mouse1__PV", "mouse1__PV.h5"}


def test_data_that_an_xml_tells_of_are_part_of_its_brain(microscope):
    xml, data = microscope.incoming / "m1_PV.xml", microscope.incoming / "m1_PV.h5"
    xml.write_text('<SpimData version="0.2"><ImageLoader format="bdv.hdf5"><hdf5 type="relative">m1_PV.h5</hdf5>')
    (microscope.incoming / "m1_PV_metadata.xml").write_text("<Experiment/>")
    microscope.look()
    assert microscope.look(3600) == {"m1_PV": State.arriving}
    data.write_bytes(b"half")
    microscope.look(60)
    data.write_bytes(b"all of it")
    assert microscope.look(599) == {"m1_PV": State.arriving}
    microscope.look(6000)
    assert [(b.source, b.state, b.files) for b in microscope.ledger.brains()] == [(str(xml), State.settled, 2)]
