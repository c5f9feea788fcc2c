"""What ending trials early would have cost: full trainings of a search replayed under successive halving.

    python scripts/replay_halving.py SWEEP [SWEEP ...] [--metric val/loss] [--mode min] [--trials 20]

SWEEP: folders of searches without a pruner, such as search=random, whose trials have the same number of epochs. Draws
20 of all their trainings 1,500 times and lets them run one after the other as search.pruner=halving would, which
compares them by their best epoch so far. Prints for each search.reduction_factor and search.min_epochs how often the
best training came to its end, how much worse the best that did is on average, and the share of the epochs that were
trained. Proposals are those of the searches: what a sampler learns on the way is not in it.
"""

import argparse
import csv
import math
import random
import statistics
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

DRAWS = 1_500
FACTORS, FIRST = (2, 3, 4, 6), (1, 2, 3, 4, 5, 6, 8)


def curves(sweep: Path, metric: str, sign: int) -> list[list[float]]:
    """Of each training the best value of the metric up to every epoch, lower is better."""
    found = []
    for path in sorted(sweep.glob("trials/**/metrics.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            values = [row[metric] for row in csv.DictReader(file)]
        found.append(list(accumulate((sign * float(value) if value else math.inf for value in values), min)))
    return found


def replayed(trainings: Sequence[list[float]], *, factor: int, first: int) -> tuple[float, float]:
    """The best value of those that come to their end, and the share of the epochs that are trained."""
    rungs: dict[int, list[float]] = {}
    best, epochs, length = math.inf, 0, len(trainings[0])
    for values in trainings:
        rung = first
        while rung < length:
            seen = rungs.setdefault(rung, [])
            seen.append(values[rung - 1])
            if values[rung - 1] > sorted(seen)[max(1, len(seen) // factor) - 1]:
                break
            rung *= factor
        else:
            rung, best = length, min(best, values[-1])
        epochs += rung
    return best, epochs / (length * len(trainings))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("sweeps", type=Path, nargs="+", help="folders of searches without a pruner")
    parser.add_argument("--metric", default="val/loss", help="metric of metrics.csv (default: val/loss)")
    parser.add_argument("--mode", choices=("min", "max"), default="min", help="what is better (default: min)")
    parser.add_argument("--trials", type=int, default=20, help="trials of a search (default: 20)")
    given = parser.parse_args()
    found = [one for sweep in given.sweeps for one in curves(sweep, given.metric, 1 if given.mode == "min" else -1)]
    length = max(map(len, found))
    found = [one for one in found if len(one) == length]
    print(f"{len(found)} trainings of {length} epochs, {given.trials} at a time")
    numbers = random.Random(0)
    drawn = [numbers.sample(found, given.trials) for _ in range(DRAWS)]
    full = [min(values[-1] for values in trainings) for trainings in drawn]
    print("reduction_factor  min_epochs  best one kept  worse by  epochs trained")
    for factor in FACTORS:
        for first in FIRST:
            values, shares = zip(*(replayed(one, factor=factor, first=first) for one in drawn), strict=True)
            kept = statistics.mean(value <= best for value, best in zip(values, full, strict=True))
            worse = statistics.mean(value - best for value, best in zip(values, full, strict=True))
            print(f"{factor:>16}  {first:>10}  {kept:>13.0%}  {worse:>8.4f}  {statistics.mean(shares):>14.0%}")


if __name__ == "__main__":
    main()
