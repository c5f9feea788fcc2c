"""The loss whose gradient is the perceptron's learning rule.

F. Rosenblatt, "Principles of Neurodynamics", 1962: a unit fires (o = 1) when w.x > 0, and after an example with target
t its weights move by (t - o) * x: not at all when it was right. Gradient descent at a rate of 1 on (o - t) * (w.x), o
taken as a constant, makes this very step; the loss is |w.x| of a unit that is wrong and 0 of one that is right, the
perceptron criterion (C. Bishop, "Pattern Recognition and Machine Learning", 2006, equation 4.54).
"""

from torch import Tensor


def perceptron_criterion(logits: Tensor, targets: Tensor) -> Tensor:
    """Sum over the units, mean over the examples, of a scalar at least 0.

    logits: (B, K), w.x of K units, of which each answers for one class. targets: (B, K), 1 for the class of the example
    and 0 elsewhere.
    """
    fires = (logits > 0).to(logits.dtype)
    return ((fires - targets) * logits).sum(1).mean()
