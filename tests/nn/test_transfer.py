import pickle
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from sensorium.errors import RequestError
from sensorium.nn.transfer import check_loaded, freeze_backbone, frozen_modules_eval, load_weights, read_weights


class Net(nn.Module):
    def __init__(self, num_classes: int = 3, width: int = 4) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, width, 3), nn.BatchNorm2d(width), nn.Dropout(0.5), nn.Flatten())
        self.head = nn.Linear(width * 4, num_classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images))


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def same(state: dict[str, Tensor], model: nn.Module) -> bool:
    ours = model.state_dict()
    return list(state) == list(ours) and all(torch.equal(state[name], ours[name]) for name in ours)


def test_freeze_backbone_leaves_the_head() -> None:
    model = Net()
    freeze_backbone(model)
    assert [name for name, p in model.named_parameters() if p.requires_grad] == ["head.weight", "head.bias"]
    with pytest.raises(RequestError, match="backbone of Linear cannot be frozen"):
        freeze_backbone(nn.Linear(1, 1))


def test_frozen_statistics_stay_put_while_the_head_learns() -> None:
    model = Net()
    freeze_backbone(model)
    model.train()
    frozen_modules_eval(model)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    images = torch.randn(5, 1, 4, 4)
    assert torch.equal(model(images), model(images))  # the dropout of the frozen part is off
    model(images).sum().backward()
    torch.optim.SGD(model.head.parameters(), lr=0.1).step()
    changed = [name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])]
    assert changed == ["head.weight", "head.bias"]
    assert model.training
    assert model.head.training


def test_nothing_is_put_in_eval_mode_where_something_learns() -> None:
    model = Net().train()
    frozen_modules_eval(model)
    assert all(module.training for module in model.modules())
    model.body[0].requires_grad_(False)
    frozen_modules_eval(model)
    assert [module.training for module in model.body] == [False, True, True, True]


def test_weights_that_fit_are_all_loaded() -> None:
    theirs, ours = Net(), Net()
    report = load_weights(ours, theirs.state_dict())
    assert same(theirs.state_dict(), ours)
    assert report.loaded == 9  # 2 of the convolution, 5 of the norm, 2 of the head
    assert report.skipped == report.missing == report.unused == ()
    assert report.lines() == ["9 of the model's 9 tensors loaded."]


def test_a_head_of_other_classes_is_left_as_it_is() -> None:
    theirs, ours = Net(num_classes=10), Net(num_classes=3)
    head = ours.head.weight.clone()
    report = load_weights(ours, theirs.state_dict())
    assert report.loaded == 7
    assert report.skipped == ("head.weight", "head.bias")
    assert report.lines() == [
        "7 of the model's 9 tensors loaded.",
        "head.weight: 10 classes in the file, 3 here: left as initialized",
        "head.bias: 10 classes in the file, 3 here: left as initialized",
    ]
    assert torch.equal(ours.head.weight, head)
    assert torch.equal(ours.body[0].weight, theirs.body[0].weight)


def test_half_a_head_is_not_loaded() -> None:
    state = Net().state_dict()
    state["head.weight"] = torch.zeros(3, 99)
    report = load_weights(Net(), state)
    assert report.skipped == ("head.weight", "head.bias")
    assert report.reasons == (
        "head.weight: 3x99 in the file, 3x16 here: left as initialized",
        "head.bias: belongs to a head of another shape: left as initialized",
    )


def test_classes_are_counted_in_the_last_layer_of_a_head_only() -> None:
    def model(hidden: int, num_classes: int) -> nn.Module:
        return nn.ModuleDict(
            {
                "body": nn.Linear(2, 2),
                "head": nn.Sequential(nn.Linear(2, hidden), nn.ReLU(), nn.Linear(hidden, num_classes)),
            }
        )

    report = load_weights(model(5, 3), model(6, 10).state_dict())
    assert report.reasons == (
        "head.0.weight: 6x2 in the file, 5x2 here: left as initialized",
        "head.0.bias: 6 in the file, 5 here: left as initialized",
        "head.2.weight: 10x6 in the file, 3x5 here: left as initialized",
        "head.2.bias: 10 classes in the file, 3 here: left as initialized",
    )


def test_missing_and_unused_names_are_reported() -> None:
    state = Net().state_dict()
    state["extra.weight"] = state.pop("body.0.bias")
    state["body.0.weight"] = torch.zeros(4, 1, 2, 2)
    report = load_weights(Net(), state)
    assert report.lines() == [
        "7 of the model's 9 tensors loaded.",
        "body.0.weight: 4x1x2x2 in the file, 4x1x3x3 here: left as initialized",
        "Not in the file, left as initialized: body.0.bias.",
        "In the file, not used by this model: extra.weight.",
    ]


def test_tensors_that_are_not_to_be_loaded_are_left_with_their_reason() -> None:
    theirs, ours = Net(), Net()
    report = load_weights(ours, theirs.state_dict(), left={"head.bias": "for cats in the file"})
    assert report.skipped == ("head.bias",)
    assert report.reasons == ("head.bias: for cats in the file: left as initialized",)
    assert torch.equal(ours.head.weight, theirs.head.weight)


class Deeper(nn.Module):
    """The same convolution and norm, under another name."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.ModuleDict({"features": Net().body})
        self.boxes = nn.Linear(3, 4)


def test_the_same_network_under_another_name_is_found() -> None:
    """A detector or a segmenter takes the backbone of a classifier, and a classifier gives what it has."""
    theirs, ours = Net(), Deeper()
    report = load_weights(ours, theirs.state_dict())
    assert report.lines() == [
        "7 of the model's 9 tensors loaded.",
        "Names that begin with body. in the file begin with backbone.features. here.",
        "Not in the file, left as initialized: boxes.weight, boxes.bias.",
        "In the file, not used by this model: head.weight, head.bias.",
    ]
    assert torch.equal(ours.backbone["features"][0].weight, theirs.body[0].weight)
    bare = {name.removeprefix("body."): tensor for name, tensor in theirs.state_dict().items() if "body" in name}
    assert load_weights(Net(), bare).notes == ("The file's names begin with body. here.",)
    assert load_weights(Net(), ours.state_dict()).loaded == 7


def test_a_first_convolution_goes_from_grey_to_colour_and_back() -> None:
    """The answer to a gray image is the same."""
    grey = nn.Sequential(nn.Conv2d(1, 4, 3))
    colour = nn.Sequential(nn.Conv2d(3, 4, 3))
    report = load_weights(colour, grey.state_dict())
    assert report.lines() == [
        "2 of the model's 2 tensors loaded.",
        "0.weight: 1 channel in the file, 3 here: its filters shared out among them",
    ]
    images = torch.randn(2, 1, 5, 5)
    torch.testing.assert_close(colour(images.expand(-1, 3, -1, -1)), grey(images))

    nn.init.normal_(colour[0].weight)
    report = load_weights(grey, colour.state_dict())
    assert report.notes == ("0.weight: 3 channels in the file, 1 here: their filters added up",)
    torch.testing.assert_close(grey(images), colour(images.expand(-1, 3, -1, -1)))

    second = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Conv2d(1, 2, 3))  # only the first layer meets the channels
    theirs = {"0.weight": torch.ones(4, 3, 3, 3), "0.bias": torch.zeros(4), "1.weight": torch.zeros(2, 3, 3, 3)}
    report = load_weights(second, theirs)
    assert (report.loaded, report.skipped) == (2, ("1.weight",))
    assert second[0].weight.unique().tolist() == [1.5]  # three filters of 1, shared between two channels


def test_a_first_convolution_of_a_smaller_kernel_takes_the_middle_of_the_larger() -> None:
    """What torchvision's models do with model.pretrained=true where images are small."""
    theirs = {"0.weight": torch.arange(49.0).view(1, 1, 7, 7), "0.bias": torch.zeros(1)}
    ours = nn.Sequential(nn.Conv2d(1, 1, 3))
    report = load_weights(ours, theirs)
    assert report.notes == ("0.weight: 7x7 in the file, 3x3 here: the middle of its kernels",)
    assert ours[0].weight.flatten().tolist() == [16, 17, 18, 23, 24, 25, 30, 31, 32]
    both = nn.Sequential(nn.Conv2d(2, 1, 5))
    report = load_weights(both, theirs)
    assert report.notes == (
        "0.weight: 7x7 in the file, 5x5 here: the middle of its kernels; "
        "1 channel in the file, 2 here: its filters shared out among them",
    )
    assert both[0].weight[0, :, 2, 2].tolist() == [12, 12]  # half of the 24 in the middle, twice
    for kernel in (4, 9):  # no middle, and none so large
        report = load_weights(nn.Sequential(nn.Conv2d(1, 1, kernel)), theirs)
        assert report.skipped == ("0.weight",)


def test_what_was_not_loaded_is_not_frozen() -> None:
    whole = load_weights(Net(), Net(num_classes=5).state_dict())
    check_loaded(whole)  # the head is another one, and learns
    state = {name: tensor for name, tensor in Net().state_dict().items() if name != "body.0.bias"}
    with pytest.raises(RequestError, match=r"model\.init did not load: body\.0\.bias\.\nLeave model\.freeze out"):
        check_loaded(load_weights(Net(), state))


def test_weights_of_another_model_are_refused() -> None:
    # The counter of the norm matches by name and shape; it is no weight, and does not make the files fit.
    with pytest.raises(RequestError, match="do not fit Net: no parameter has the same name and shape"):
        load_weights(Net(), {"body.1.num_batches_tracked": torch.tensor(1), "fc.weight": torch.zeros(2)})


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "_orig_mod.module.", "module._orig_mod."])
@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
def test_read_weights_knows_what_others_put_around_them(tmp_path: Path, wrapper: str | None, prefix: str) -> None:
    model = Net()
    state = {prefix + name: tensor for name, tensor in model.state_dict().items()}
    path = saved(tmp_path / "weights.pt", {wrapper: state, "epoch": 3} if wrapper else state)
    assert same(read_weights(path).tensors, model)


def test_read_weights_takes_the_model_out_of_a_lightning_checkpoint(tmp_path: Path) -> None:
    model = Net()
    state = {f"model._orig_mod.{name}": tensor for name, tensor in model.state_dict().items()}
    state["loss.weight"] = torch.ones(3)
    path = saved(tmp_path / "last.ckpt", {"state_dict": state, "epoch": 3, "hyper_parameters": {"lr": 0.1}})
    assert same(read_weights(path).tensors, model)
    assert read_weights(path).spec == {}
    path = saved(tmp_path / "own.ckpt", {"state_dict": state, "sensorium": {"spec": {"class_names": ["a", "b"]}}})
    assert read_weights(path).spec == {"class_names": ["a", "b"]}


def test_a_missing_file_gets_the_nearest_name(tmp_path: Path) -> None:
    saved(tmp_path / "best.ckpt", {})
    with pytest.raises(RequestError, match=r"no file of weights .*bset\.ckpt\. Did you mean .*best\.ckpt\?"):
        read_weights(tmp_path / "bset.ckpt")
    with pytest.raises(RequestError, match="no file of weights"):
        read_weights(tmp_path / "nowhere" / "best.ckpt")
    with pytest.raises(RequestError, match=r"is a folder; model\.init takes a file such as .*best\.ckpt"):
        read_weights(tmp_path)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_cut_short_is_refused(tmp_path: Path, zipped: bool) -> None:
    path = tmp_path / "weights.pt"
    torch.save(Net().state_dict(), path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    # Cut inside a name, the older format names something unknown, and is refused as code would be.
    message = r"not a checkpoint .* truncated \(\d+ bytes\)" + ("" if zipped else "|can run code")
    for size in range(0, len(whole), len(whole) // 50):
        path.write_bytes(whole[:size])
        with pytest.raises(RequestError, match=message):
            read_weights(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    noise = [bytes(torch.randint(256, (40,), generator=generator).tolist()) for _ in range(200)]
    path = tmp_path / "weights.pt"
    for content in (b"hello world", b'{"a": 1}', b"\x89PNG\r\n\x1a\n0000", b"PK\x03\x04" + b"0" * 99, *noise):
        path.write_bytes(content)
        with pytest.raises(RequestError, match="not a checkpoint of PyTorch"):
            read_weights(path)


class Malice:
    def __reduce__(self) -> tuple:
        return Path.touch, (Path("code_ran"),)


def test_a_file_with_code_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for content in (Net(), {"state_dict": {}, "extra": Malice()}):
        with pytest.raises(RequestError, match=r"can run code, so it was not opened\.\n.*state_dict\(\)"):
            read_weights(saved(tmp_path / "weights.pt", content))
    (tmp_path / "weights.pt").write_bytes(pickle.dumps(Malice()))
    with pytest.raises(RequestError, match="not a checkpoint of PyTorch"):
        read_weights(tmp_path / "weights.pt")
    assert not Path("code_ran").exists()


def test_a_checkpoint_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"holds no weights by name; its keys are: epoch, lr\."):
        read_weights(saved(tmp_path / "a.pt", {"epoch": 1, "lr": 0.1}))
    with pytest.raises(RequestError, match="holds a Tensor, not the weights"):
        read_weights(saved(tmp_path / "b.pt", torch.ones(3)))
