"""Explanations of texts by networks whose answer is known: a sum over tokens, each of which has a weight."""

import json
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from sensorium.data.text.splits import LanguageSplit
from sensorium.errors import RequestError
from sensorium.models.text.bag_of_embeddings import BagOfEmbeddings
from sensorium.models.text.rnn_seq2seq import RNNSeq2Seq
from sensorium.specs import LanguageModelingSpec, TextClassificationSpec, TextRegressionSpec, TranslationSpec
from sensorium.tasks import registry
from sensorium.tasks.base import LoadedModel
from sensorium.tasks.explanation import Example, ExplainOptions, Explanation, TargetMap
from sensorium.tasks.language_modeling.evaluate import LanguageEvaluation
from sensorium.tasks.marked_text import html_table, terminal_text
from sensorium.tasks.text_explanations import TextExplanation
from sensorium.text.build_tokenizer import train_tokenizer
from sensorium.text.spans import Span

WORDS = train_tokenizer("word", ["good bad the film was <b>"], vocab_size=30, min_count=1, lowercase=False)
TEXTS = {"tokenizer": WORDS.to_dict(), "vocab_size": WORDS.vocab_size, "pad_id": 0, "max_length": 20}
CLASSES = TextClassificationSpec(class_names=("negative", "positive"), **TEXTS)
LANGUAGE = LanguageModelingSpec(tokenizer=WORDS.to_dict(), vocab_size=WORDS.vocab_size, context=8)
VALUES = {"good": 3.0, "bad": -2.0}


class Sum(nn.Module):
    """Logits (B, 2): minus and plus the sum of the weights of the tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding.from_pretrained(
            torch.tensor([[VALUES.get(token, 0.0)] for token in WORDS.tokens]), freeze=False
        )

    def forward(self, tokens, lengths):
        total = self.table(tokens).sum(dim=1)
        return torch.cat([-total, total], dim=1)


class Next(nn.Module):
    """A language model for which "good" follows as much as "film" was there."""

    carries_state = True

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding.from_pretrained(
            torch.tensor([[4.0 * (token == "film")] for token in WORDS.tokens]), freeze=False
        )

    def forward(self, tokens, state=None):
        seen = self.table(tokens).cumsum(dim=1)
        logits = torch.zeros(*tokens.shape, WORDS.vocab_size)
        logits[..., WORDS.encode("good")[0]] = seen[..., 0]
        return logits, ()


def loaded(spec, network) -> LoadedModel:
    return LoadedModel(spec, network.eval(), torch.device("cpu"), "32-true", "contiguous", {})


def explained(spec, network, *inputs, **options):
    task, chosen = registry.of(spec), ExplainOptions(**options)
    task.check_explain_options(chosen, spec)
    return list(task.explainer(loaded(spec, network), chosen).explain(inputs))


@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion", "gradient_shap"])
def test_each_word_has_its_weight(method):
    (found,) = explained(CLASSES, Sum(), "the good film was bad", method=method, target=("positive",))
    (one,) = found.targets
    assert one.score == pytest.approx(float(torch.tensor([-1.0, 1.0]).softmax(0)[1]))
    close = 0.6 if method == "gradient_shap" else 1e-4  # noise of 5%
    assert one.attribution.tolist() == pytest.approx([0, 3, 0, 0, -2], abs=close)
    assert [word.text for word in found.words] == ["the", "good", "film", "was", "bad"]
    assert one.faithfulness is not None
    if method == "integrated_gradients":
        assert one.faithfulness.completeness_error == pytest.approx(0, abs=1e-4)
    assert one.faithfulness.insertion > one.faithfulness.random_insertion


def test_the_forms_of_it(tmp_path):
    (found,) = explained(CLASSES, Sum(), "the good <b> film", method="occlusion", target=("positive",))
    page = found.save(tmp_path / "why.html").read_text()
    assert page.count(">&lt;</span>") == 1
    assert "<b>" not in page
    assert 'title="+3.0000" style="background:rgb(255,90,40)">good<' in page
    assert "http" not in page.replace("http-equiv", "")
    record = json.loads(found.save(tmp_path / "why.json").read_text())["targets"][0]
    assert record["words"][1] == {"word": "good", "attribution": 3.0}
    assert record["attribution"][:2] == [0.0, 3.0]
    assert found.marked().plain == "positive 0.998: the good <b> film"


def test_pieces_of_a_word_are_added():
    letters = train_tokenizer("char", ["abc "], vocab_size=20, min_count=1, lowercase=False)

    class Letters(Sum):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding.from_pretrained(torch.tensor([[2.0 * (one == "a")] for one in letters.tokens]))

    spec = TextClassificationSpec(
        class_names=("x", "y"), tokenizer=letters.to_dict(), vocab_size=letters.vocab_size, pad_id=0, max_length=20
    )
    (found,) = explained(spec, Letters(), "aab c a", method="integrated_gradients", target=("y",))
    assert found.targets[0].attribution.tolist() == pytest.approx([2, 2, 0, 0, 0, 0, 2], abs=1e-4)
    assert found.word_values(found.targets[0]).tolist() == pytest.approx([4, 0, 2], abs=1e-4)
    (hidden,) = explained(spec, Letters(), "aab c a", method="occlusion", target=("y",))  # words are hidden whole
    assert hidden.word_values(hidden.targets[0]).tolist() == pytest.approx([4, 0, 2], abs=1e-4)
    assert hidden.targets[0].attribution[:3].tolist() == pytest.approx([4 / 3] * 3, abs=1e-4)


def test_a_number_is_explained_in_its_own_unit():
    spec = TextRegressionSpec(target_names=("a", "b"), target_mean=(5.0, 7.0), target_std=(2.0, 10.0), **TEXTS)
    (found,) = explained(spec, Sum(), "good film", method="integrated_gradients")
    assert [(one.target, one.score) for one in found.targets] == [("a", -1.0), ("b", 37.0)]
    assert found.targets[0].attribution.tolist() == pytest.approx([-6, 0], abs=1e-4)
    assert found.targets[1].attribution.tolist() == pytest.approx([30, 0], abs=1e-4)
    # A number that falls has curves from 1 to 0 all the same: removed, the first word leaves none of the way.
    assert found.targets[0].faithfulness.deletion == pytest.approx(0.25)


def test_a_network_without_vectors_is_explained_by_occlusion_alone():
    torch.manual_seed(0)
    bag = BagOfEmbeddings(**CLASSES.offers)
    task = registry.of(CLASSES)
    explainer = task.explainer(loaded(CLASSES, bag), ExplainOptions())
    (found,) = explainer.explain(["good film"])
    assert (found.method, explainer.notes()) == ("occlusion", ["method=auto: occlusion, the only one that fits."])
    with pytest.raises(RequestError, match="does not fit this model, BagOfEmbeddings"):
        explained(CLASSES, bag, "good film", method="integrated_gradients")


def test_what_is_no_text_is_an_error_and_the_others_are_explained():
    found = explained(CLASSES, Sum(), b"\xff", Example("row 3", "good", ("negative",)), "", method="occlusion")
    assert found[0].error == "byte 0 of a text is not UTF-8"
    assert (found[1].input, [one.target for one in found[1].targets]) == ("row 3", ["positive", "negative"])
    assert found[2].error is None


def test_which_earlier_token_makes_the_next_likely():
    (found,) = explained(LANGUAGE, Next(), "the film was", method="integrated_gradients")
    (one,) = found.targets
    assert one.target == "good"
    assert one.attribution.tolist() == pytest.approx([0, 4, 0], abs=1e-4)
    (other,) = explained(LANGUAGE, Next(), "the film was", method="occlusion", target=("bad",))
    assert other.targets[0].attribution.tolist() == [0, 0, 0]
    (wrong,) = explained(LANGUAGE, Next(), "the film", target=("zebra",))
    assert wrong.error == "target='zebra' holds no token that the model could predict"


def test_what_a_report_shows_of_a_text():
    found = TextExplanation(
        input="a.csv:1",
        method="occlusion",
        words=(Span("good", 0, 1, ""), Span("the", 1, 2, " "), Span("bad", 2, 3, " ")),
        targets=(TargetMap(target="positive", score=0.75, attribution=np.array([4, 0.9, -2], np.float32)),),
    )
    (card,) = found.cards()
    assert (card.name, card.predicted) == ("a.csv:1", "why positive: 0.750")
    assert card.passages[0].pieces == [("good", "right"), ("the", ""), ("bad", "missing")]


def test_the_prompt_of_a_language_model_is_its_text():
    task = registry.get("language_modeling")
    assert task.explain_keys == ("text",)
    assert list(task.explained_inputs({"text": "the film"}, None)) == ["the film"]


def test_a_row_of_running_text_is_the_token_that_follows_and_the_most_probable():
    text = WORDS.encode("the film was bad the good")
    split = LanguageSplit(np.array(text), context=8, num_characters=20, num_bytes=20)
    task = registry.get("language_modeling")
    (example,) = task.examples(split, [2], LANGUAGE)
    assert (example.name, example.truth) == ("text:3", ("bad",))
    (found,) = explained(LANGUAGE, Next(), example, method="integrated_gradients")
    assert [one.target for one in found.targets] == ["good", "bad"]  # what the model expects, then what is there
    assert [word.text for word in found.words] == ["the", "film", "was"]
    assert found.word_values(found.targets[0]).argmax() == 1
    (found,) = explained(LANGUAGE, Next(), example, method="occlusion", target=("was",))
    assert [one.target for one in found.targets] == ["was"]


def test_the_worst_rows_of_a_language_model_are_its_least_likely_tokens(tmp_path):
    task = registry.get("language_modeling")
    split = LanguageSplit(np.array(WORDS.encode("the film was bad the good")), 8, 20, 20)
    nats = np.array([[3.0, 4.0], [1.0, 2.5]])
    evaluation = LanguageEvaluation(6.5, 5, 20, 20, 1.0, np.array([[6.5, 5.0]]), nats)
    given = {"folder": tmp_path, "split": split, "spec": LANGUAGE, "predictions_format": "csv", "split_name": "test"}
    (path,) = task.report(evaluation, **given)
    assert path.read_text().splitlines()[1:] == ["3,text:4,the,4.0", "1,text:2,was,2.5"]
    assert task.worst_rows(tmp_path, 5) == [3, 1]
    assert task.worst_rows(tmp_path, 1) == [3]


def test_an_explanation_without_a_form_is_saved_as_json_alone(tmp_path):
    plain = Explanation(input="x", method="occlusion")
    with pytest.raises(RequestError, match=r"saved as \.json\. Change the ending"):
        plain.save(tmp_path / "a.png")
    with pytest.raises(RequestError, match=r"is not saved as \.png"):
        plain.content(".png")
    assert plain.save(tmp_path / "a.json").is_file()


def test_a_translation_has_a_map_over_the_source_for_each_word():
    torch.manual_seed(0)
    spec = TranslationSpec(
        source_tokenizer=WORDS.to_dict(),
        target_tokenizer=WORDS.to_dict(),
        source_vocab_size=WORDS.vocab_size,
        target_vocab_size=WORDS.vocab_size,
        pad_id=0,
        max_length=12,
    )
    network = RNNSeq2Seq(**spec.offers, embedding_size=8, hidden_size=8, num_layers=1)
    network.head = nn.Linear(8, WORDS.vocab_size)
    with torch.no_grad():
        network.head.bias[WORDS.encode("good")[0]] = 5.0  # so that there is a translation
    (found,) = explained(spec, network, "the good film", method="integrated_gradients")
    assert found.targets
    for one in found.targets:
        assert one.attribution.shape == (4,)  # the end of the source too, which is no word
        assert len(one.details["attention"]) == 3
        assert one.faithfulness.completeness_error < 1e-4
    values = found.matrices()
    assert values["attention"].shape == values["integrated_gradients"].shape == (len(found.targets), 3)
    assert found.content(".html").count("<table>") == 2
    with Image.open(BytesIO(found.content(".png"))) as drawn:
        assert drawn.size == (2 * round((1.6 + 0.36 * 3) * 150), round((1.6 + 0.28 * len(found.targets)) * 150))
    assert explained(spec, network, " ")[0].error == "an empty text has no translation to explain"


def test_colors():
    text = terminal_text([Span("a", 0, 1, ""), Span("b", 1, 2, " "), Span("c", 2, 3, " ")], [2.0, 0.01, -1.0])
    assert text.plain == "a b c"
    assert [(one.start, one.end, str(one.style)) for one in text.spans] == [
        (0, 1, "bold black on rgb(255,90,40)"),
        (4, 5, "black on rgb(158,188,255)"),
    ]
    assert html_table(["<x>"], ["y"], np.array([[0.0]])).count("&lt;x&gt;") == 1
