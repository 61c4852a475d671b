"""Forests grown here decide as scikit-learn's trees do, and are the same whenever the seed is."""

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

from ecc_px.errors import InvalidSetting
from ecc_px.models.training import train_forest

RNG = np.random.default_rng(5)


def labelled(count: int = 600, columns: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Three classes in noise, hard enough for deep trees."""
    samples = RNG.normal(size=(count, columns)).astype(np.float32)
    labels = 1 + (samples[:, 0] + samples[:, 1] * samples[:, 2] + 0.3 * RNG.normal(size=count) > 0)
    labels[samples[:, 3] > 1] = 3
    return samples, labels


def votes_on(forest, samples):
    return forest.probabilities(np.ascontiguousarray(samples.T)[:, :, None, None])[:, :, 0, 0].T


def same(one, other):
    arrays = ("feature", "threshold", "left", "right", "fractions", "roots", "labels")
    return all(getattr(one, name).tobytes() == getattr(other, name).tobytes() for name in arrays)


def test_same_seed_gives_the_same_bytes_on_any_number_of_threads():
    samples, labels = labelled()
    one, three, other = (train_forest(samples, labels, trees=20, seed=s, jobs=j) for s, j in ((4, 1), (4, 3), (5, 1)))
    assert same(one.forest, three.forest)
    assert one.out_of_bag.tobytes() == three.out_of_bag.tobytes()
    assert one.importance.tobytes() == three.importance.tobytes()
    assert not same(one.forest, other.forest)


def test_grown_trees_decide_as_scikit_learns_do_even_on_their_thresholds():
    samples = RNG.integers(0, 12, (400, 3)).astype(np.float32)  # midpoints of whole numbers are float32 values
    labels = 1 + (samples.sum(axis=1) % 3).astype(int)
    forest = train_forest(samples, labels, trees=1, seed=0).forest
    split = forest.feature >= 0
    probes = np.repeat(samples, 3, axis=0)
    for column in range(3):
        thresholds = forest.threshold[split & (forest.feature == column)].astype(np.float32)
        near = np.concatenate([thresholds, np.nextafter(thresholds, 1e9), np.nextafter(thresholds, -1e9)])
        probes[:, column] = RNG.choice(near.astype(np.float32), len(probes))

    random = np.random.default_rng(np.random.SeedSequence(0).spawn(1)[0])
    drawn = np.bincount(random.integers(400, size=400), minlength=400)
    tree = DecisionTreeClassifier(max_features=2, random_state=int(random.integers(2**32)))
    tree.fit(samples, labels, sample_weight=drawn)
    assert (votes_on(forest, probes) == tree.predict_proba(probes).astype(np.float32)).all()


def test_trees_fit_what_they_saw_and_generalize():
    samples, labels = labelled(3000)
    unseen, truth = labelled(3000)
    trained = train_forest(samples, labels)
    assert (trained.forest.labels[votes_on(trained.forest, samples).argmax(axis=1)] == labels).mean() > 0.999
    accuracy = (trained.forest.labels[votes_on(trained.forest, unseen).argmax(axis=1)] == truth).mean()
    out_of_bag = (trained.forest.labels[trained.out_of_bag.argmax(axis=1)] == labels).mean()
    assert accuracy > 0.85
    assert out_of_bag == pytest.approx(accuracy, abs=0.03)


def test_importance_finds_the_columns_that_matter():
    samples, labels = labelled(2000)
    importance = train_forest(samples, labels).importance
    assert importance.sum() == pytest.approx(1)
    assert importance[4] == importance.min()


@pytest.mark.parametrize("scale", [2.0**-100, 2.0**100])
def test_size_of_the_numbers_does_not_matter(scale):
    samples, labels = labelled()
    plain = train_forest(samples, labels, trees=10).forest
    scaled = train_forest(samples * np.float32(scale), labels, trees=10).forest
    assert (scaled.feature == plain.feature).all()
    assert (votes_on(scaled, samples * np.float32(scale)) == votes_on(plain, samples)).all()


def test_leaves_are_pure_unless_equal_samples_disagree():
    samples, labels = labelled()
    assert train_forest(samples, labels, trees=10, class_weight="balanced").forest.is_pure
    twins = np.concatenate([samples, samples]), np.concatenate([labels, 1 + labels % 3])
    mixed = train_forest(*twins, trees=10).forest
    assert not mixed.is_pure
    assert mixed.fractions[mixed.feature < 0].sum(axis=1) == pytest.approx(1)


def test_balanced_classes_find_more_of_the_rare_one():
    samples = RNG.normal(size=(4000, 3)).astype(np.float32)
    labels = np.where(RNG.random(4000) < 0.03, 1, 2)
    samples[labels == 1] += 1.2
    # Few distinct values, so that leaves hold samples of both classes and weights decide.
    samples = np.round(samples)
    rare = [
        (votes_on(train_forest(samples, labels, class_weight=weight).forest, samples)[:, 0] > 0.5).sum()
        for weight in (None, "balanced", {1: 5.0})
    ]
    assert rare[0] < rare[2] < rare[1]


def test_labels_keep_their_numbers_and_constant_columns_are_never_asked():
    samples, labels = labelled()
    samples[:, 4] = 7
    forest = train_forest(samples, np.where(labels == 3, 200, labels), trees=11).forest
    assert forest.labels.tolist() == [1, 2, 200]
    assert 4 not in forest.feature
    assert sum(forest.part_sizes) == 11
    assert max(forest.part_sizes) - min(forest.part_sizes) <= 1


def test_two_samples_are_enough():
    forest = train_forest(np.array([[0], [1]], np.float32), np.array([1, 2]), trees=50).forest
    assert votes_on(forest, np.array([[-1], [2]], np.float32)).argmax(axis=1).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("change", "settings", "reason"),
    [
        (lambda x, y: (x, y * 0 + 2), {}, "all have label 2"),
        (lambda x, y: (x[:0], y[:0]), {}, "there are none"),
        (lambda x, y: (x[:, :0], y), {}, "No features"),
        (lambda x, y: (x * 0, y), {}, "nothing tells the classes apart"),
        (lambda x, y: (np.where(x == x[3, 2], np.nan, x).astype(np.float32), y), {}, "Column 2"),
        (lambda x, y: (np.where(x == x[3, 1], np.inf, x).astype(np.float32), y), {}, "Column 1"),
        (lambda x, y: (x, y - 1), {}, "Labels must be 1 to 255"),
        (lambda x, y: (x, y + 254), {}, "Labels must be 1 to 255"),
        (lambda x, y: (x, y), {"trees": 0}, "0 trees"),
        (lambda x, y: (x, y), {"trees": 10**6}, "1000000 trees"),
        (lambda x, y: (x, y), {"seed": -1}, "seed -1"),
        (lambda x, y: (x, y), {"class_weight": {9: 1.0}}, "label 9"),
        (lambda x, y: (x, y), {"class_weight": {1: 0.0}}, "label 1"),
        (lambda x, y: (x, y), {"class_weight": {2: np.nan}}, "label 2"),
    ],
)
def test_what_no_forest_can_learn_from_is_refused_by_name(change, settings, reason):
    with pytest.raises(InvalidSetting) as refused:
        train_forest(*change(*labelled()), **settings)
    assert reason in str(refused.value)
