"""Feature sets as texts."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecc_px.errors import InvalidSetting
from ecc_px.features import ECC, Feature, FeatureSet, features_text, parse_features
from ecc_px.features.ilastik import FILTER_NAMES


def test_ecc_is_the_seed_set_of_16_columns():
    assert parse_features("ecc") == ECC
    assert parse_features("ecc").count() == 16


def test_all_is_what_ilastiks_window_offers():
    everything = parse_features("all").features
    assert len(everything) == 6 * 6 + 1
    assert [f.filter for f in everything if f.scale == 0.3] == ["GaussianSmoothing"]


def test_order_in_the_text_does_not_matter():
    assert parse_features("hessian@1.6, 1; Gaussian@0.7,0.3") == parse_features("gaussian@0.3,0.7;hessian@1,1.6")


def test_ggm_is_another_name_of_gradient():
    assert parse_features("ggm@0.7") == parse_features("gradient@0.7")


def test_in_2d_holds_for_every_scale():
    assert all(f.in_2d for f in parse_features("ecc", in_2d=True).features)
    assert [f.in_2d for f in parse_features("hessian@1,1.6:2d").features] == [None, True]


ANY_FEATURES = st.sets(
    st.builds(Feature, st.sampled_from(list(FILTER_NAMES)), st.floats(0.3, 50), st.sampled_from([None, True])),
    min_size=1,
)


@settings(max_examples=50, deadline=None)
@given(ANY_FEATURES)
def test_text_of_any_features_means_the_same_features(features):
    chosen = FeatureSet(tuple(features))
    assert set(parse_features(features_text(chosen)).features) == features
    assert features_text(parse_features(features_text(chosen))) == features_text(chosen)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no filter ''"),
        ("sobel@1", "no filter 'sobel'"),
        ("hessian", "hessian has no scale"),
        ("hessian@", "hessian has no scale"),
        ("hessian@one", "'one' is no scale"),
        ("hessian@0", "'0' is no scale"),
        ("hessian@-1", "'-1' is no scale"),
        ("hessian@nan", "'nan' is no scale"),
        ("hessian@inf", "'inf' is no scale"),
        ("hessian@1,,2", "'' is no scale"),
        ("hessian@1;hessian@1.0", "hessian@1 is there twice"),
        ("ecc;hessian@5", "no filter 'ecc'"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(text, reason):
    with pytest.raises(InvalidSetting, match="--features") as refused:
        parse_features(text)
    assert reason in str(refused.value)
