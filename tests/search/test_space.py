"""What a search may choose from, as Hydra's grammar says it."""

import pytest

from sensorium.errors import RequestError
from sensorium.search.space import Choice, Number, check_cma, check_grid, parse


def test_each_form_of_the_grammar() -> None:
    space = parse(
        [
            "dataset=digits",
            "model=lenet,resnet8",
            "optimizer=choice(adam,sgd)",
            "batch_size=range(16,65,16)",
            "label_smoothing=range(0,0.3,0.1)",
            "lr=tag(log,interval(1e-4,1e-1))",
            "model.width=int(interval(1,8))",
        ]
    )
    assert space.fixed == ("dataset=digits",)
    assert space.keys == (
        Choice("model", ("lenet", "resnet8")),
        Choice("optimizer", ("adam", "sgd")),
        Number("batch_size", 16, 64, step=16, whole=True),
        Number("label_smoothing", 0, 0.2, step=0.1),
        Number("lr", 1e-4, 1e-1, log=True),
        Number("model.width", 1, 8, whole=True),
    )
    params = {"model": "lenet", "optimizer": "sgd", "batch_size": 32, "lr": 0.003, "model.width": 4}
    overrides = space.overrides(params | {"label_smoothing": 0.1 + 0.1 + 0.1 - 0.1})
    assert overrides == [
        "model=lenet",
        "optimizer=sgd",
        "batch_size=32",
        "label_smoothing=0.2",
        "lr=0.003",
        "model.width=4",
    ]


def test_lists_and_texts_keep_their_quotes_and_added_keys_their_mark() -> None:
    space = parse(["callbacks=[ema],[early_stopping]", "+dataset.note='a b','c'"])
    assert space.overrides({"callbacks": "[ema]", "dataset.note": "'a b'"}) == [
        "callbacks=[ema]",
        "+dataset.note='a b'",
    ]


def test_seeds_and_folds_repeat_a_setting() -> None:
    space = parse(["seed=1,2", "lr=0.1,0.2", "dataset.fold=range(0,2)"])
    assert [key.key for key in space.keys] == ["lr"]
    assert space.repeats == tuple((f"seed={seed}", f"dataset.fold={fold}") for seed in (1, 2) for fold in (0, 1))
    assert parse(["lr=0.1,0.2"]).repeats == ((),)


def test_the_grid_counts_as_hydra_does() -> None:
    space = parse(["a=x,y", "b=range(1,6,2)"])
    assert space.count() == 6
    points = [tuple(space.point(number).values()) for number in range(6)]
    assert points == [("x", 1), ("x", 3), ("x", 5), ("y", 1), ("y", 3), ("y", 5)]
    assert parse(["a=x,y", "b=interval(0,1)"]).count() is None


@pytest.mark.parametrize(
    ("override", "drawn", "rounded"),
    [
        ("x=tag(log,interval(1e-4,1e-1))", 0.0031622776601683794, 0.003162),
        ("x=tag(log,interval(1e-9,1))", 1.2345678e-9, 1.235e-9),
        ("x=interval(0.1,0.5)", 0.29876543, 0.2988),
        ("x=interval(0.99991,0.99999)", 0.999934567812, 0.999934568),
        ("x=interval(0.12345678,0.5)", 0.12345679, 0.1235),
        ("x=interval(0.12344,0.5)", 0.12344001, 0.12344),  # never below the low end, as 0.1234 would be
        ("x=interval(0.1,0.12345678)", 0.12345677, 0.12345677),  # nor above the high one
        ("x=int(interval(1,8))", 7, 7),
    ],
)
def test_numbers_are_rounded_as_far_as_the_interval_allows(override, drawn, rounded) -> None:
    (key,) = parse([override]).keys
    assert key.rounded(drawn) == rounded


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["lr=0.1"], "needs something that varies"),
        (["seed=1,2"], "seed only repeats each setting, and a search chooses something"),
        (["lr=choice(0.1)"], "lr=choice\\(0.1\\) is one value"),
        (["lr=interval(1,1)"], "is one value"),
        (["lr=interval(2,1)"], "has its upper bound below the lower one"),
        (["lr=interval(1,inf)"], "needs two finite ends"),
        (["lr=tag(log,interval(0,1))"], "a log scale has no 0"),
        (["lr=tag(lgo,interval(1,2))"], "there is no tag 'lgo'. Did you mean log?"),
        (["lr=tag(log,range(1,9))"], "log is the scale of an interval"),
        (["lr=1,2,1"], "has 1 twice"),
        (["lr=1,2", "lr=3"], "lr is given twice"),
        (["lr=range(1,2)"], "has one value"),
        (["lr=range(2,1)"], "has no value"),
        (["lr=range(0,1,1e-6)"], "1,000,000 values"),
        (["model=glob(*)"], "cannot be searched"),
        (["lr=1,2", "seed=interval(1,9)"], "seed repeats a setting and is not searched"),
        (["lr=1,2", "seed=range(0,1000)"], "at most 100 times"),
    ],
)
def test_what_cannot_be_searched(overrides, message) -> None:
    with pytest.raises(RequestError, match=message) as error:
        parse(overrides)
    assert len(str(error.value).splitlines()) <= 2


def test_a_grid_has_no_interval_and_cma_two_numbers() -> None:
    check_grid(parse(["a=1,2", "b=range(1,3)"]))
    with pytest.raises(RequestError, match="b is an interval"):
        check_grid(parse(["a=1,2", "b=interval(1,3)"]))
    check_cma(parse(["a=interval(1,2)", "b=range(1,9)"]))
    with pytest.raises(RequestError, match="only b is one"):
        check_cma(parse(["a=1,2", "b=interval(1,3)"]))
    with pytest.raises(RequestError, match="there is none"):
        check_cma(parse(["a=1,2"]))
