"""How good frame probabilities are.

Conventions: `labels` [n] are 0 or 1 and `probabilities` [n] lie in [0, 1]; a frame is called
positive where its probability is at least the threshold. A value the data cannot answer is None,
never NaN and never a stand-in: recall without positives, AUROC with one class, anything of nothing.

Metrics: average precision (AUPRC), AUROC, precision, recall, F1, Matthews correlation, Brier score,
expected calibration error; the curves behind them; the best threshold.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Confusion:
    """Counts of frames by truth and decision."""

    tp: int
    fp: int
    fn: int
    tn: int

    @property
    def precision(self) -> float | None:
        """Share of the positive decisions that are right; None without any."""
        return _ratio(self.tp, self.tp + self.fp)

    @property
    def recall(self) -> float | None:
        """Share of the positives that are found; None without positives."""
        return _ratio(self.tp, self.tp + self.fn)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of both; None where there is neither a positive nor a positive decision."""
        return _ratio(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def mcc(self) -> float | None:
        """Matthews correlation in [-1, 1]; None where truth or decision is one class only."""
        product = float(self.tp + self.fp) * (self.tp + self.fn) * (self.tn + self.fp) * (self.tn + self.fn)
        return _ratio(self.tp * self.tn - self.fp * self.fn, product**0.5)


@dataclass(frozen=True)
class FrameMetrics:
    """All frame metrics of one set of frames; see `frame_metrics`."""

    n_frames: int
    base_rate: float | None
    auprc: float | None
    auroc: float | None
    threshold: float
    precision: float | None
    recall: float | None
    f1: float | None
    mcc: float | None
    brier: float | None
    ece: float | None
    tp: int
    fp: int
    fn: int
    tn: int


@dataclass(frozen=True)
class PrecisionRecallCurve:
    """Precision and recall [k] of calling positive what reaches each threshold [k], falling."""

    precision: Array
    recall: Array
    threshold: Array


@dataclass(frozen=True)
class ReliabilityCurve:
    """Mean probability, share of positives and count [k] of the bins that hold frames."""

    probability: Array
    positive_rate: Array
    count: npt.NDArray[np.int64]


def frame_metrics(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike, threshold: float = 0.5, n_bins: int = 15
) -> FrameMetrics:
    """Every frame metric at once.

    Args:
        probabilities: [n].
        labels: [n].
        threshold: where decisions are made, for the metrics of decisions; see `best_threshold`.
        n_bins: of the calibration error.

    Raises:
        ValueError: lengths that differ, labels other than 0 and 1, probabilities outside [0, 1].
    """
    p, y = _validate(probabilities, labels)
    confusion = confusion_matrix(p, y, threshold)
    return FrameMetrics(
        n_frames=len(y),
        base_rate=float(y.mean()) if len(y) else None,
        auprc=average_precision(p, y),
        auroc=auroc(p, y),
        threshold=threshold,
        precision=confusion.precision,
        recall=confusion.recall,
        f1=confusion.f1,
        mcc=confusion.mcc,
        brier=float(np.mean((p - y) ** 2)) if len(y) else None,
        ece=expected_calibration_error(p, y, n_bins),
        tp=confusion.tp,
        fp=confusion.fp,
        fn=confusion.fn,
        tn=confusion.tn,
    )


def confusion_matrix(probabilities: npt.ArrayLike, labels: npt.ArrayLike, threshold: float) -> Confusion:
    """Counts of right and wrong decisions at `threshold`."""
    p, y = _validate(probabilities, labels)
    called, true = p >= threshold, y == 1
    tp, n_called, n_true = int((called & true).sum()), int(called.sum()), int(true.sum())
    return Confusion(tp, n_called - tp, n_true - tp, len(y) - n_called - n_true + tp)


def average_precision(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> float | None:
    """Area under the precision-recall curve as the step sum of P(k) (R(k) - R(k-1)).

    Chance scores the base rate. None without positives.

    Args:
        probabilities: [n]; any score will do, only the order counts.
        labels: [n].
        weights: [n], how often each frame counts; None: once.
    """
    tp, called, _ = _ranked_counts(probabilities, labels, weights)
    if not len(tp) or tp[-1] == 0:
        return None
    return float(np.sum(np.diff(tp, prepend=0.0) * tp / called) / tp[-1])


def auroc(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> float | None:
    """Probability that a positive ranks above a negative, ties counting half. None with one class.

    Args: as of `average_precision`.
    """
    tp, called, _ = _ranked_counts(probabilities, labels, weights)
    fp = called - tp
    if not len(tp) or tp[-1] == 0 or fp[-1] == 0:
        return None
    area = np.trapezoid(np.r_[0.0, tp], np.r_[0.0, fp])
    return float(area / (tp[-1] * fp[-1]))


def precision_recall_curve(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike
) -> PrecisionRecallCurve | None:
    """Precision and recall at every distinct probability. None without positives."""
    tp, called, threshold = _ranked_counts(probabilities, labels, None)
    if not len(tp) or tp[-1] == 0:
        return None
    return PrecisionRecallCurve(tp / called, tp / tp[-1], threshold)


def reliability_curve(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike, n_bins: int = 15
) -> ReliabilityCurve:
    """Predicted against observed rates in `n_bins` equal bins of [0, 1], without the empty ones."""
    p, y = _validate(probabilities, labels)
    bins = np.minimum((p * n_bins).astype(np.int64), n_bins - 1)
    count = np.bincount(bins, minlength=n_bins)
    held = count > 0
    probability = np.bincount(bins, weights=p, minlength=n_bins)[held] / count[held]
    positive_rate = np.bincount(bins, weights=y, minlength=n_bins)[held] / count[held]
    return ReliabilityCurve(probability, positive_rate, count[held])


def expected_calibration_error(
    probabilities: npt.ArrayLike, labels: npt.ArrayLike, n_bins: int = 15
) -> float | None:
    """Mean over frames of |predicted - observed rate| of the frame's bin (Naeini et al. 2015)."""
    curve = reliability_curve(probabilities, labels, n_bins)
    if not len(curve.count):
        return None
    gaps = np.abs(curve.probability - curve.positive_rate)
    return float(np.average(gaps, weights=curve.count))


def best_threshold(probabilities: npt.ArrayLike, labels: npt.ArrayLike, n_points: int = 100) -> float | None:
    """The point of an even grid over [0, 1] with the highest F1, the lowest of equal ones.

    To be chosen on validation frames and used on others. None without positives.
    """
    p, y = _validate(probabilities, labels)
    n_positive = int(y.sum())
    if not n_positive:
        return None
    grid = np.linspace(0, 1, n_points)
    called = len(p) - np.searchsorted(np.sort(p), grid)
    tp = n_positive - np.searchsorted(np.sort(p[y == 1]), grid)
    return float(grid[np.argmax(2 * tp / (called + n_positive))])


def _ranked_counts(
    scores: npt.ArrayLike, labels: npt.ArrayLike, weights: npt.ArrayLike | None
) -> tuple[Array, Array, Array]:
    """Positives and frames at or above each distinct score, highest first, and the scores."""
    s, y = _validate(scores, labels, probabilities=False)
    w = np.ones(len(y)) if weights is None else np.asarray(weights, dtype=np.float64)
    if w.shape != y.shape:
        raise ValueError(f"{w.shape} weights for {y.shape} labels; wanted as many")
    # A stable sort is linear in what is already sorted, which the bootstrap relies on.
    order = np.argsort(-s, kind="stable")
    s, y, w = s[order], y[order], w[order]
    last_of_ties = np.flatnonzero(np.r_[s[1:] != s[:-1], True]) if len(s) else np.empty(0, int)
    tp, called = np.cumsum(w * y)[last_of_ties], np.cumsum(w)[last_of_ties]
    seen = called > 0
    return tp[seen], called[seen], s[last_of_ties][seen]


def _validate(
    scores: npt.ArrayLike, labels: npt.ArrayLike, probabilities: bool = True
) -> tuple[Array, Array]:
    s, y = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    if s.ndim != 1 or s.shape != y.shape:
        raise ValueError(f"scores {s.shape} and labels {y.shape}; wanted [n] of both")
    if not np.isin(y, (0, 1)).all():
        raise ValueError(f"labels hold {y[~np.isin(y, (0, 1))][0]:g}; wanted 0 and 1 only")
    wrong = ~np.isfinite(s) | (probabilities & ((s < 0) | (s > 1)))
    if wrong.any():
        wanted = "values in [0, 1]" if probabilities else "finite values"
        raise ValueError(
            f"score {s[wrong][0]:g} of frame {np.flatnonzero(wrong)[0]}; wanted {wanted} "
            f"({int(wrong.sum())} of {len(s)} are not)"
        )
    return s, y


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
