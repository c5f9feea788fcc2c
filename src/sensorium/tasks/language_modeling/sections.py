"""What a report shows of a language model: how well it predicts along the text. Its samples are in samples.txt."""

import numpy as np

from sensorium.report_sections import Chart, Section, Series
from sensorium.tasks.language_modeling.evaluate import LanguageEvaluation

_POINTS = 120  # of the curve along the text


def language_sections(found: LanguageEvaluation) -> list[Section]:
    """Perplexity of consecutive parts of the text, and how it is spread over segments."""
    groups = np.array_split(found.stretches, min(_POINTS, len(found.stretches)))
    sums = np.array([group.sum(axis=0) for group in groups])
    perplexity = np.exp(np.minimum(sums[:, 0] / sums[:, 1], 700.0))
    places = np.cumsum(sums[:, 1]) - sums[:, 1] / 2
    each = found.stretches[:, 0] / found.stretches[:, 1]
    counts, edges = np.histogram(each, bins=24)
    middles = (edges[:-1] + edges[1:]) / 2
    return [
        Chart(
            title="Perplexity along the test text",
            series=[Series(name="perplexity", points=np.stack([places, perplexity], axis=1).tolist())],
            x_label="token",
            y_label="perplexity",
            note="Where the text is unlike the training text, perplexity is high.",
        ),
        Chart(
            title="Segments by loss",
            series=[Series(name="segments", kind="bars", points=np.stack([middles, counts], axis=1).tolist())],
            x_label="nats per token of a segment",
            y_label="segments",
        ),
    ]
