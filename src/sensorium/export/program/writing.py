"""Models that write a text, a token at a time."""

import math
from typing import Any

import numpy as np

from sensorium.export.program.start import BOS, EOS, PAD, UNK, Record, Unreadable


def translation(model: Any, text: str) -> Record:
    """The best translations, by the beam search that the checkpoint asks for."""
    if not text.strip():
        return {"translations": [{"text": "", "score": 0.0}]}
    ids = [*model.tokenizer.encode(text)[: model.spec["max_length"] - 1], EOS]
    parts = model.session.run(model.outputs, {"source": np.array([ids]), "lengths": np.array([len(ids)])})
    step = model.step
    names = [one.name for one in step.get_inputs()]
    outputs = [one.name for one in step.get_outputs() if one.name != "probabilities"]
    memory, state = parts[: model.facts["memory"]], parts[model.facts["memory"] :]

    def after(tokens: list[int], state: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
        rows = [np.repeat(part, len(tokens), axis=0) for part in memory]
        logits, *later = step.run(outputs, dict(zip(names, (np.array(tokens), *rows, *state), strict=True)))
        return logits, later

    rules = {"beam_size": 5, "length_penalty": 1.0, "no_repeat_ngram": 0, "n_best": 1}
    rules |= {name: value for name, value in model.facts["decoding"].items() if value is not None}
    found = beam_search(after, state, rules, limit=2 * len(ids) + 10)
    if not found:
        raise Unreadable(f"{text[:100]}: the model's output is not a number (NaN or infinite)")
    return {"translations": [{"text": model.target.decode(tokens), "score": score} for score, tokens in found]}


def beam_search(after: Any, state: list[np.ndarray], rules: Record, *, limit: int) -> list[tuple[float, list[int]]]:
    """Scores and tokens, the best first. after: tokens (k,) and the state -> logits (k, V) and the state.

    A score is the log probability over ((5 + length) / 6) ** length_penalty (Y. Wu et al. 2016, arXiv 1609.08144).
    """
    size, alpha, repeat, best = (rules[name] for name in ("beam_size", "length_penalty", "no_repeat_ngram", "n_best"))
    finished: list[tuple[float, list[int]]] = []
    sums, texts, tokens = np.zeros(1, np.float32), [list[int]()], [BOS]
    while True:
        logits, state = after(tokens, state)
        scores = log_softmax(logits)
        scores[:, [PAD, BOS]] = -math.inf
        for row, text in enumerate(texts):
            scores[row, repeated(text, repeat)] = -math.inf
        length = len(texts[0])
        if length == limit:
            scores[:, np.arange(scores.shape[1]) != EOS] = -math.inf
        totals = (sums[:, None] + scores).ravel()
        order = np.argsort(-totals, kind="stable")[: 2 * size]
        texts = [[*texts[place // scores.shape[1]], int(place % scores.shape[1])] for place in order]
        penalty = ((6 + length) / 6) ** alpha
        ends = [text[-1] == EOS for text in texts]
        for place, text, ended in list(zip(order, texts, ends, strict=True))[:size]:
            if ended and math.isfinite(totals[place]):
                finished.append((float(totals[place] / penalty), text[:-1]))
        going = [at for at, end in enumerate(ends) if not end and math.isfinite(totals[order[at]])][:size]
        finished.sort(key=lambda one: -one[0])
        worst = finished[best - 1][0] if len(finished) >= best else -math.inf
        # Log probabilities only fall, so a text can still become as good as it is now at the full length.
        if not going or len(finished) >= size or totals[order[going[0]]] / ((6 + limit) / 6) ** alpha <= worst:
            return finished[:best]
        rows = order[going] // scores.shape[1]
        sums, texts, state = totals[order[going]], [texts[at] for at in going], [part[rows] for part in state]
        tokens = [text[-1] for text in texts]


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def repeated(text: list[int], size: int) -> list[int]:
    """Tokens that would write `size` tokens in a row for the second time; none for 0."""
    last = text[len(text) - size + 1 :]
    return [text[at + size - 1] for at in range(len(text) - size + 1) if size and text[at : at + size - 1] == last]


def continuation(model: Any, prompt: str) -> Record:
    """What follows a prompt. At a temperature above 0 tokens are drawn by NumPy: others than `predict` draws."""
    ids, options = model.tokenizer.encode(prompt), model.options
    if not ids:
        raise Unreadable("an empty prompt holds no token to continue")
    random, written, tokens = np.random.default_rng(options.seed or 0), list[int](), ids
    length = 200 if options.length is None else options.length
    temperature = 1.0 if options.temperature is None else options.temperature
    inputs = {one.name: one for one in model.session.get_inputs()}
    empty = [np.zeros([1, *(side if isinstance(side, int) else 0 for side in one.shape[1:])],
                      np.int64 if one.type == "tensor(int64)" else np.float32)
             for one in list(inputs.values())[1:]]  # fmt: skip
    outputs = [one.name for one in model.session.get_outputs() if one.name != "probabilities"]
    context, state = model.facts["context"], empty

    def read(ids: list[int], state: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
        logits, *later = model.session.run(outputs, dict(zip(inputs, (np.array([ids]), *state), strict=True)))
        return logits[0, -1].astype(np.float64), later

    while len(written) < length:
        while tokens:
            if context and state[0].shape[1] == context:  # full: its second half is read again
                _, state = read(state[0][0, -(context // 2) :].tolist(), empty)
            room = context - state[0].shape[1] if context else len(tokens)
            logits, state = read(tokens[:room], state)
            tokens = tokens[room:]
        if np.isnan(logits).any():
            raise Unreadable(f"{prompt[:100]}: the model's output is not a number (NaN)")
        logits[[PAD, UNK, BOS, EOS]] = -math.inf
        if temperature == 0:
            written.append(int(logits.argmax()))
        else:
            odds = np.exp(log_softmax(logits / temperature))
            written.append(int(random.choice(len(odds), p=odds / odds.sum())))
        tokens = written[-1:]
    before = ids[-8:]  # they decide whether a space comes first
    return {"text": model.tokenizer.decode([*before, *written])[len(model.tokenizer.decode(before)) :]}


WRITERS: dict[
    str, tuple[Any, str, Record]
] = {  # what writes, the name of the input, and the field empty after an error
    "translation": (translation, "input", {"translations": []}),
    "language_modeling": (continuation, "prompt", {"text": ""}),
}
