"""Which embeddings are of the same voice, and how many voices there are. Arithmetic only.

Agglomerative clustering with average linkage (scikit-learn) needs a matrix of all pairs, so a long
recording is condensed first: each thousand embeddings to those of a few dozen tight groups.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from seacod.asr.speakers.wanted import SpeakerRange
from seacod.speaker_encoders.base import Embeddings

Labels = npt.NDArray[np.intp]
Sizes = npt.NDArray[np.float64]

# More embeddings than this are condensed: a block of so many to so many.
_MOST_AT_ONCE = 1200
_BLOCK = 1000
_CONDENSED = 60
# A group smaller than this share of all, up to so many embeddings, is nobody of its own: a cough,
# two voices at once.
_SMALL_SHARE = 0.04
_SMALL_MOST = 6
_SMALL_LEAST = 2
_REFINEMENTS = 5


def voices(
    embeddings: Embeddings, pieces: Labels, wanted: SpeakerRange, likeness: float
) -> Embeddings:
    """The mean embedding of each voice, those that are heard first in front.

    Args:
        embeddings: in the order of the recording, each of length 1; at least one.
        pieces: of which piece of speech each is, as ascending numbers.
        wanted: how many voices there may be.
        likeness: two groups whose mean cosine is lower are two voices.
    """
    points, owners = _condensed(embeddings)
    weights = np.bincount(owners).astype(np.float64)

    def sizes(labels: Labels) -> Sizes:
        return _steady(labels[owners], pieces, int(labels.max()) + 1)

    labels, somebody = _grouped(points, wanted, likeness, sizes)
    centres = _means(points, weights, labels)[somebody]
    if len(centres) > wanted.at_most:
        merged = _agglomerated(centres, groups=wanted.at_most)
        counts: Sizes = np.bincount(labels, weights=weights)[somebody].astype(np.float64)
        centres = _means(centres, counts, merged)
    centres = _refined(embeddings, centres)
    first = [int(np.argmax(nearest(embeddings, centres) == k)) for k in range(len(centres))]
    ordered: Embeddings = centres[np.argsort(first, kind="stable")]
    return ordered


def nearest(embeddings: Embeddings, centres: Embeddings) -> Labels:
    """For each embedding the most alike centre."""
    found: Labels = np.argmax(embeddings @ centres.T, axis=1)
    return found


def _condensed(embeddings: Embeddings) -> tuple[Embeddings, Labels]:
    """Few enough points for a matrix of all pairs, and by which each embedding is represented."""
    if len(embeddings) <= _MOST_AT_ONCE:
        return embeddings, np.arange(len(embeddings))
    means: list[Embeddings] = []
    owners: list[Labels] = []
    count = 0
    for start in range(0, len(embeddings), _BLOCK):
        block = embeddings[start : start + _BLOCK]
        labels = _agglomerated(block, groups=min(_CONDENSED, len(block)))
        means.append(_means(block, np.ones(len(block)), labels))
        owners.append(labels + count)
        count += len(means[-1])
    return np.concatenate(means), np.concatenate(owners)


def _steady(labels: Labels, pieces: Labels, groups: int) -> Sizes:
    """How many embeddings each group has, without those that are unlike both of their neighbours:
    where one voice follows another, or two speak at once, a window has some of both and is like
    neither."""
    same = (labels[1:] == labels[:-1]) & (pieces[1:] == pieces[:-1])
    is_first = np.append(True, pieces[1:] != pieces[:-1])
    is_last = np.append(pieces[1:] != pieces[:-1], True)
    is_steady = np.append(same, False) | np.append(False, same) | (is_first & is_last)
    sizes: Sizes = np.bincount(labels, weights=is_steady, minlength=groups).astype(np.float64)
    return sizes


def _grouped(
    points: Embeddings, wanted: SpeakerRange, likeness: float, sizes: Callable[[Labels], Sizes]
) -> tuple[Labels, npt.NDArray[np.bool_]]:
    """Groups that are unlike each other, and which of them are somebody; as many as are wanted, if
    there is enough speech for them."""
    if len(points) < 2 or wanted.at_most == 1:
        return np.zeros(len(points), dtype=np.intp), np.ones(1, dtype=bool)
    labels = _agglomerated(points, likeness=likeness)
    somebody = _is_somebody(sizes(labels))
    # Further down the tree, until there are enough.
    groups = wanted.at_least
    most = min(len(points), 4 * wanted.at_least + 8)
    while somebody.sum() < wanted.at_least and groups <= most:
        labels = _agglomerated(points, groups=groups)
        somebody = _is_somebody(sizes(labels))
        groups += 1
    if somebody.sum() < wanted.at_least:
        # So little speech that no voice is heard twice: then each group is one.
        labels = _agglomerated(points, groups=min(wanted.at_least, len(points)))
        somebody = np.ones(int(labels.max()) + 1, dtype=bool)
    return labels, somebody


def _is_somebody(sizes: Sizes) -> npt.NDArray[np.bool_]:
    """Which groups are voices; the biggest always is."""
    least = min(_SMALL_MOST, max(_SMALL_LEAST, _SMALL_SHARE * sizes.sum()))
    somebody: npt.NDArray[np.bool_] = sizes >= least
    somebody[sizes.argmax()] = True
    return somebody


def _refined(embeddings: Embeddings, centres: Embeddings) -> Embeddings:
    """Each voice as the mean of the embeddings that are most like it."""
    for _ in range(_REFINEMENTS):
        labels = nearest(embeddings, centres)
        if len(np.unique(labels)) < len(centres):
            return centres
        centres = _means(embeddings, np.ones(len(embeddings)), labels)
    return centres


def _agglomerated(
    points: Embeddings, *, groups: int | None = None, likeness: float | None = None
) -> Labels:
    from sklearn.cluster import AgglomerativeClustering

    distances = np.clip(1.0 - points @ points.T, 0.0, 2.0)
    threshold = None if likeness is None else 1.0 - likeness
    clustering = AgglomerativeClustering(
        n_clusters=groups, metric="precomputed", linkage="average", distance_threshold=threshold
    )
    labels: Labels = clustering.fit_predict(distances)
    return labels


def _means(points: Embeddings, weights: Sizes, labels: Labels) -> Embeddings:
    """The weighted mean of each group, of length 1."""
    sums = np.zeros((int(labels.max()) + 1, points.shape[1]))
    np.add.at(sums, labels, points * weights[:, None])
    lengths = np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
    return np.asarray(sums / lengths, dtype=np.float32)
