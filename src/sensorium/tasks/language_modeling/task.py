"""Language modeling: the next token of running text."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from sensorium import output
from sensorium.data.base import Data
from sensorium.data.loader import BatchLoader
from sensorium.decoding.sampling import sample
from sensorium.files import write_csv
from sensorium.inspection.contents import Contents
from sensorium.models.exported import GraphRunner
from sensorium.randomness import fold
from sensorium.report_sections import ExampleScores, ReportExample, Section
from sensorium.specs import LanguageModelingSpec
from sensorium.tasks.base import ConstantAnswer, LoadedModel, Metric, PredictOptions, SplitFacts, Task
from sensorium.tasks.contents import running_contents
from sensorium.tasks.explanation import Example, ExplainOptions
from sensorium.tasks.graphs import Graph
from sensorium.tasks.language_modeling.evaluate import LanguageEvaluation, LanguageEvaluator, evaluate
from sensorium.tasks.language_modeling.explain import METHODS, LanguageModelExplainer, followed_examples
from sensorium.tasks.language_modeling.export import ExportedLanguageModel, language_graph
from sensorium.tasks.language_modeling.predict import Continuation, TextGenerator
from sensorium.tasks.language_modeling.sections import language_sections
from sensorium.tasks.preprocessing import AsStored
from sensorium.tasks.report_media import text
from sensorium.tasks.reported import Seen
from sensorium.tasks.worst_rows import ranked_rows, read_predictions
from sensorium.tasks.writers import Writer
from sensorium.text.build_tokenizer import tokenizer_from_dict
from sensorium.text.tokenizer import BOS, EOS, PAD, UNK

WORST = "worst_tokens.csv"
SAMPLE_LENGTH = 300  # tokens of a sample while training
SAMPLE_PROMPT = 20  # tokens of the validation text that it continues
SAMPLE_TEMPERATURE = 0.8


class LanguageModeling(Task[LanguageModelingSpec]):
    """Tokens (B, T) and a state -> logits (B, T, V) and the state after them."""

    name = "language_modeling"
    headline = Metric("perplexity", higher_is_better=False)
    input_keys, explain_keys = ("prompt",), ("text",)
    explain_methods, explain_options = METHODS, ("target", "top_k")
    formats = ("table", "json", "jsonl")
    options = ("length", "temperature", "top_k", "top_p", "seed")
    example = "token"
    example_input = 'prompt="..."'
    bf16_always = True

    def preprocessing(
        self, spec: LanguageModelingSpec, memory_format: torch.memory_format = torch.contiguous_format
    ) -> nn.Module:
        return AsStored()

    def facts(self, split: Any, spec: LanguageModelingSpec) -> SplitFacts:
        return SplitFacts(unknown=float((split.tokens == UNK).mean()))

    def contents(self, data: Data) -> Contents:
        return running_contents(data)

    def constant_answer(self, data: Data, evaluation: LanguageEvaluation) -> ConstantAnswer:
        """Each token's frequency in the training text, one added to all counts, whatever comes before."""
        size = int(data.spec.to_dict()["vocab_size"])
        counts = np.bincount(data.train.tokens, minlength=size) + 1.0
        nats = -np.log(counts / counts.sum())[data.test.tokens[1:]]
        return ConstantAnswer(float(np.exp(nats.mean())), "a unigram model")

    def sample_writer(self, data: Data, *, seed: int) -> Callable[[nn.Module, int, torch.device], str]:
        """Continues the first tokens of the validation text; the same draws in every run and after a resume."""
        tokenizer = tokenizer_from_dict(data.spec.to_dict()["tokenizer"])
        prompt = data.val.read(np.zeros(1, dtype=np.int64)).tokens[:, :SAMPLE_PROMPT]

        def write(model: nn.Module, step: int, device: torch.device) -> str:
            tokens = sample(
                model,
                prompt.to(device),
                length=SAMPLE_LENGTH,
                temperature=SAMPLE_TEMPERATURE,
                generator=torch.Generator().manual_seed(fold(seed, step)),
                banned=(PAD, UNK, BOS, EOS),
            )
            return tokenizer.decode([*prompt[0].tolist(), *tokens])

        return write

    def evaluate(self, model: LoadedModel, split: Any, loader_of: Callable[[Any], BatchLoader]) -> LanguageEvaluation:
        if not model.model.carries_state:
            # Without a carried state each window needs tokens before those it is scored on.
            split = split.with_history(model.spec.context // 2)
        evaluator = LanguageEvaluator(model=model.model, device=model.device, precision=model.precision)
        return evaluate(evaluator, loader_of(split))

    def report(
        self,
        evaluation: LanguageEvaluation,
        *,
        folder: Path,
        split: Any,
        spec: LanguageModelingSpec,
        predictions_format: str,
        split_name: str,
    ) -> list[Path]:
        """Writes worst_tokens.csv: the tokens that were the least likely."""
        tokenizer = tokenizer_from_dict(spec.tokenizer)
        rows = [(int(row), float(nats)) for row, nats in evaluation.worst]
        cells = ((row, split.names[row], tokenizer.decode([int(split.tokens[row + 1])]), nats) for row, nats in rows)
        path = folder / WORST
        write_csv(path, [("index", "name", "token", "nats"), *cells])
        return [path]

    def report_sections(
        self, evaluation: LanguageEvaluation, *, split: Any, spec: LanguageModelingSpec
    ) -> list[Section]:
        return language_sections(evaluation)

    def seen_examples(self, seen: Seen, batch: Any, split: Any, spec: LanguageModelingSpec) -> list[ReportExample]:
        tokenizer = tokenizer_from_dict(spec.tokenizer)
        rows = zip(batch.indices.tolist(), seen.inputs[0].tolist(), strict=False)
        return [ReportExample(name=f"token {row:,}", passages=[text("", tokenizer.decode(ids))]) for row, ids in rows]

    def example_scores(self, evaluation: LanguageEvaluation, split: Any) -> ExampleScores:
        losses = evaluation.stretches[:, 0] / evaluation.stretches[:, 1]
        segments = [f"{place}: {tokens:.0f} tokens" for place, tokens in enumerate(evaluation.stretches[:, 1])]
        return ExampleScores(
            name="nats per token of a segment", values=losses.tolist(), of=segments, higher_is_better=False
        )

    def inputs(self, given: Mapping[str, Any], model: LoadedModel) -> Iterable[str]:
        return [str(given["prompt"])]

    def explained_inputs(self, given: Mapping[str, Any], model: LoadedModel) -> Iterable[str]:
        return [str(given["text"])]

    def graphs(self, model: LoadedModel) -> dict[str, Graph]:
        return {"model": language_graph(model)}

    def exported(self, graphs: Mapping[str, GraphRunner], spec: LanguageModelingSpec) -> ExportedLanguageModel:
        return ExportedLanguageModel(graphs)

    def predictor(self, model: LoadedModel, options: PredictOptions) -> TextGenerator:
        return TextGenerator(model, options)

    def explainer(self, model: LoadedModel, options: ExplainOptions) -> LanguageModelExplainer:
        return LanguageModelExplainer(model, options)

    def examples(self, split: Any, rows: Sequence[int], spec: LanguageModelingSpec) -> list[Example]:
        return followed_examples(split, rows, tokenizer_from_dict(spec.tokenizer))

    def worst_rows(self, folder: Path, count: int) -> list[int]:
        """The tokens that were the least likely."""
        return ranked_rows(read_predictions(folder, WORST), lambda record: float(record["nats"]), count)

    def writer(self, kind: str, *, output_file: str | None, inputs: Any, model: LoadedModel) -> Writer:
        if kind == "table":
            return StreamedText(output_file)
        return super().writer(kind, output_file=output_file, inputs=inputs, model=model)


class StreamedText(Writer):
    """The prompt and its continuation, piece by piece as they are made."""

    def __init__(self, output_file: str | None) -> None:
        self._path = output_file

    def write(self, prediction: Continuation) -> None:
        with ExitStack() as stack:
            file = stack.enter_context(output.opened(self._path)) if self._path else sys.stdout
            file.write(prediction.input)
            for piece in prediction.pieces:
                file.write(piece)
                file.flush()
            file.write("\n")

    def close(self) -> None:
        """Every prediction was written whole."""
