"""Non-maximum suppression as Darknet and the papers write it down: slow, in NumPy, one by one."""

from typing import NamedTuple

import numpy as np


class Pair(NamedTuple):
    score: float
    row: int
    label: int


def candidates(boxes, scores, *, score_threshold, max_candidates=4096, multi_label=True):
    """Pairs that score more, best first; of equal ones the first box, then the first class."""
    pairs = []
    for row, (box, its_scores) in enumerate(zip(boxes, scores, strict=True)):
        found = [Pair(s, row, c) for c, s in enumerate(its_scores) if s > score_threshold]
        if not multi_label:
            found = sorted(found, key=lambda pair: -pair.score)[:1]
        pairs += found if np.isfinite([*box, *its_scores]).all() else []
    return sorted(pairs, key=lambda pair: (-pair.score, pair.row, pair.label))[:max_candidates]


def overlaps(boxes, beta=None):
    """IoU of each with each, (n, n), less (d²/c²)^beta if there is one; 0 / 0 is 0."""
    with np.errstate(all="ignore"):
        a, b = boxes[:, None], boxes[None]
        sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
        shared = np.prod(np.maximum(sides, 0), axis=-1)
        area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=-1)
        union = area[:, None] + area[None] - shared
        iou = np.where(union > 0, shared / union, 0)
        if beta is None:
            return iou
        d = np.sum((a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) ** 2, axis=-1) / 4
        outer = np.maximum(a[..., 2:], b[..., 2:]) - np.minimum(a[..., :2], b[..., :2])
        c = np.sum(outer.astype("float64") ** 2, axis=-1)
        return iou - np.where(c > 0, d / c, 0) ** beta


def best(pairs, max_detections, max_per_class):
    kept = []
    for pair in pairs:
        if sum(other.label == pair.label for other in kept) != max_per_class:
            kept.append(pair)
    return kept[:max_detections]


def greedy(
    boxes, scores, *, beta=None, iou_threshold=0.45, max_detections=300, max_per_class=None,
    class_agnostic=False, **options,
):  # fmt: skip
    """Darknet's `do_nms_sort` and `diounms_sort` with a common order of all classes."""
    beaten, kept = overlaps(boxes, beta) > np.float32(iou_threshold), []
    for pair in candidates(boxes, scores, **options):
        same = [other.row for other in kept if other.label == pair.label]
        rivals = [other.row for other in kept] if class_agnostic else same
        if len(same) != max_per_class and not beaten[pair.row, rivals].any():
            kept.append(pair)
        if len(kept) == max_detections:
            break
    return kept


def better(pairs, class_agnostic):
    """For each pair those before it that it competes with."""
    for index, pair in enumerate(pairs):
        yield pair, [p for p in pairs[:index] if class_agnostic or p.label == pair.label]


def fast(
    boxes, scores, *, iou_threshold=0.45, max_detections=300, max_per_class=None,
    class_agnostic=False, **options,
):  # fmt: skip
    """YOLACT, §4: a box goes if any better one overlaps it, be that one gone or not."""
    iou = overlaps(boxes)
    kept = [
        pair
        for pair, rivals in better(candidates(boxes, scores, **options), class_agnostic)
        if not any(iou[pair.row, other.row] > np.float32(iou_threshold) for other in rivals)
    ]
    return best(kept, max_detections, max_per_class)


def matrix(
    boxes, scores, *, decay="gaussian", sigma=2.0, score_threshold, max_detections=300,
    max_per_class=None, class_agnostic=False, **options,
):  # fmt: skip
    """SOLOv2, eq. 4 and 5: decay of j = min over i of f(IoU(i, j)) / f(IoU(·, i))."""
    iou = overlaps(boxes)
    f = (lambda x: np.exp(-sigma * x**2)) if decay == "gaussian" else (lambda x: 1 - x)
    pairs = candidates(boxes, scores, score_threshold=score_threshold, **options)
    highest, lowered = {}, []
    for pair, rivals in better(pairs, class_agnostic):
        factors = [1.0]
        for other in rivals:
            if f(highest[other]) > 0:  # else other itself decays to 0, and the ratio is infinite
                factors.append(f(iou[other.row, pair.row]) / f(highest[other]))
        highest[pair] = max([iou[other.row, pair.row] for other in rivals], default=0.0)
        lowered.append(pair._replace(score=pair.score * min(factors)))
    lowered = [pair for pair in lowered if pair.score > score_threshold]
    return best(sorted(lowered, key=lambda pair: -pair.score), max_detections, max_per_class)


def soft(
    boxes, scores, *, decay="gaussian", sigma=0.5, score_threshold, iou_threshold=0.45,
    max_detections=300, max_per_class=None, class_agnostic=False, **options,
):  # fmt: skip
    """Soft-NMS, figure 2: M = arg max S; D ← D ∪ M; B ← B − M; sᵢ ← sᵢ·f(IoU(M, bᵢ))."""
    iou = overlaps(boxes)

    def f(x):
        if decay == "gaussian":
            return np.exp(-(x**2) / sigma)
        return 1.0 if x < iou_threshold else 1 - x

    left = candidates(boxes, scores, score_threshold=score_threshold, **options)
    taken = []
    while left and len(taken) < max_detections:
        m = max(left, key=lambda pair: pair.score)
        if m.score <= score_threshold:
            break
        taken.append(m)
        left.remove(m)
        left = [
            p._replace(score=p.score * f(iou[m.row, p.row]))
            if class_agnostic or p.label == m.label
            else p
            for p in left
            if p.label != m.label or sum(t.label == m.label for t in taken) != max_per_class
        ]
    return taken


REFERENCES = {
    "default": greedy,
    "diounms": greedy,
    "greedynms": greedy,
    "fast": fast,
    "matrix": matrix,
    "soft": soft,
}
