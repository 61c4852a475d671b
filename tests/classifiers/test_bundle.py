"""Classifier files of our own: what was written comes back, the same bytes each time; damage of any kind is refused."""

import hashlib
from dataclasses import replace

import h5py
import numpy as np
import pytest

from ecc_px.classifiers import load_classifier
from ecc_px.classifiers.bundle import USER_BLOCK, Bundle, read_bundle, write_bundle
from ecc_px.errors import InvalidSetting, OutputExists, OutputFailed, UnreadableClassifier
from ecc_px.features import FeatureSet, parse_features
from ecc_px.labels import LabelClass
from ecc_px.models.training import train_forest

RNG = np.random.default_rng(2)
CLASSES = (LabelClass(1, "Zelle µ", (255, 0, 0), "object"), LabelClass(2, "rest", (0, 0, 255)))
FEATURES = FeatureSet(tuple(reversed(parse_features("gaussian@0.7;hessian@1").features)), "vigra")


@pytest.fixture(scope="module")
def bundle():
    samples = RNG.normal(size=(200, 4)).astype(np.float32)
    forest = train_forest(samples, 1 + (samples[:, 0] > 0), trees=6).forest
    return Bundle(FEATURES, forest, CLASSES, tuple(FEATURES.names()), {"trees": 6}, "abc", (2.0, 1.0, 1.0))


def test_what_was_written_comes_back(bundle, tmp_path):
    stored = read_bundle(write_bundle(tmp_path / "TH.pxc", bundle))
    for name in ("features", "classes", "feature_names", "report", "fingerprint", "voxel_um"):
        assert getattr(stored, name) == getattr(bundle, name)
    for name in ("feature", "threshold", "left", "right", "fractions", "roots", "labels"):
        assert getattr(stored.forest, name).tobytes() == getattr(bundle.forest, name).tobytes()
    assert stored.forest.part_sizes == bundle.forest.part_sizes


def test_classifier_is_shown_in_one_short_line(bundle, tmp_path):
    shown = repr(load_classifier(write_bundle(tmp_path / "TH.pxc", bundle)))
    assert shown.startswith("Classifier(TH.pxc: 1 Zelle µ, 2 rest; 2 features; Forest(6 trees, ")
    assert len(shown) < 120


def test_loaded_classifier_keeps_features_and_classes(bundle, tmp_path):
    path = write_bundle(tmp_path / "TH.pxc", bundle)
    classifier = load_classifier(path)
    assert (classifier.features, classifier.classes, classifier.path) == (FEATURES, CLASSES, path)
    assert classifier.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_flavour_of_the_file_wins(bundle, tmp_path):
    assert load_classifier(write_bundle(tmp_path / "TH.pxc", bundle), flavour="vigra").features.flavour == "vigra"
    own = write_bundle(tmp_path / "own.pxc", replace(bundle, features=replace(FEATURES, flavour="ilastik")))
    with pytest.raises(InvalidSetting, match="leave out --flavour"):
        load_classifier(own, flavour="vigra")


def test_same_classifier_makes_the_same_bytes(bundle, tmp_path):
    one, two = (write_bundle(tmp_path / name, bundle).read_bytes() for name in ("one.pxc", "two.pxc"))
    assert one == two


def test_file_says_what_it_is_and_opens_in_any_hdf5_reader(bundle, tmp_path):
    path = write_bundle(tmp_path / "TH.pxc", bundle)
    assert path.read_bytes().startswith(b"ecc-px classifier 1\nsha256 ")
    with h5py.File(path) as file:
        assert file.userblock_size == USER_BLOCK
        assert len(file["forest/roots"]) == 6


def test_nothing_is_replaced_unless_asked(bundle, tmp_path):
    path = write_bundle(tmp_path / "TH.pxc", bundle)
    with pytest.raises(OutputExists):
        write_bundle(path, bundle)
    write_bundle(path, replace(bundle, fingerprint="other"), overwrite=True)
    assert read_bundle(path).fingerprint == "other"
    with pytest.raises(OutputFailed, match="no folder"):
        write_bundle(tmp_path / "missing" / "TH.pxc", bundle)
    assert [child.name for child in tmp_path.iterdir()] == ["TH.pxc"]


@pytest.mark.parametrize("place", [0, 25, 600, 3000, -1])
def test_a_changed_byte_anywhere_is_noticed(bundle, tmp_path, place):
    path = write_bundle(tmp_path / "TH.pxc", bundle)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(UnreadableClassifier, match=r"TH\.pxc"):
        read_bundle(path)


@pytest.mark.parametrize("kept", [0, 10, USER_BLOCK, 2000])
def test_a_file_cut_short_is_refused(bundle, tmp_path, kept):
    path = write_bundle(tmp_path / "TH.pxc", bundle)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UnreadableClassifier, match=r"TH\.pxc"):
        read_bundle(path)


def test_what_is_no_classifier_is_refused(bundle, tmp_path):
    with pytest.raises(UnreadableClassifier, match="does not exist"):
        read_bundle(tmp_path / "none.pxc")
    with pytest.raises(UnreadableClassifier, match="is a folder"):
        read_bundle(tmp_path)
    (tmp_path / "text.pxc").write_text("hello")
    with pytest.raises(UnreadableClassifier, match="no classifier of ecc-px"):
        read_bundle(tmp_path / "text.pxc")
    path = write_bundle(tmp_path / "TH.pxc", bundle)
    path.write_bytes(path.read_bytes().replace(b"classifier 1\n", b"classifier 2\n"))
    with pytest.raises(UnreadableClassifier, match="version 2"):
        read_bundle(path)


def _forest(**changes):
    return lambda bundle: replace(bundle, forest=replace(bundle.forest, **changes))


def _shifted_links(bundle):
    return replace(bundle, forest=replace(bundle.forest, left=bundle.forest.left + 10**6))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_shifted_links, "outside the forest"),
        (_forest(part_sizes=(1,)), "not those of its parts"),
        (_forest(part_sizes=()), "not those of its parts"),
        (_forest(labels=np.array([1, 3], np.int32)), "other labels"),
        (_forest(labels=np.array([2, 1], np.int32)), "other labels"),
        (_forest(labels=np.array([0, 1], np.int32)), "other labels"),
        (_forest(roots=np.array([0], np.int32)), "not those of its parts"),
        (lambda b: replace(b, classes=CLASSES[:1]), "other labels"),
        (lambda b: replace(b, classes=CLASSES[1:]), "not 1, 2, 3"),
        (lambda b: replace(b, classes=(replace(CLASSES[0], role="cells"), CLASSES[1])), "'cells' is none of"),
        (lambda b: replace(b, features=parse_features("hessian@1")), "other features"),
        (lambda b: replace(b, features=replace(FEATURES, flavour="sour")), "'sour' is none of"),
        (lambda b: replace(b, feature_names=b.feature_names[:3]), "other features"),
        (lambda b: _forest(threshold=b.forest.threshold * np.nan)(b), "threshold is no number"),
        (lambda b: _forest(threshold=b.forest.threshold[1:])(b), "differ in length"),
        (lambda b: _forest(fractions=b.forest.fractions / 2)(b), "don't sum to 1"),
    ],
)
def test_parts_that_do_not_fit_one_another_are_refused(bundle, tmp_path, change, reason):
    path = write_bundle(tmp_path / "TH.pxc", change(bundle))
    with pytest.raises(UnreadableClassifier) as refused:
        read_bundle(path)
    assert reason in str(refused.value)
