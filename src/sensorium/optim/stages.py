"""The stages of a model, from its input to its head: groups with their own learning rate, or unfrozen in turn."""

from collections.abc import Iterator

from torch import nn

_LISTS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def stages(model: nn.Module) -> dict[str, list[nn.Parameter]]:
    """Parameters by stage, each in exactly one, the stage nearest the input first.

    The stages are the children of the model in the order of their definition. A list of modules counts as its items;
    a child that holds such a list, or is called `backbone`, counts as its own children. What is called `head` is the
    last stage. What has no matrix (a norm) belongs to the stage before it, and a parameter that belongs to no child (an
    embedding of positions) to the stage after it.
    """
    found: list[tuple[str, list[nn.Parameter]]] = []
    waiting: list[nn.Parameter] = []
    seen: set[nn.Parameter] = set()
    for name, part in [*_parts(model), ("head", getattr(model, "head", None))]:
        parameters = [part] if isinstance(part, nn.Parameter) else part.parameters() if part is not None else []
        fresh = [parameter for parameter in parameters if parameter not in seen]
        seen.update(fresh)
        if isinstance(part, nn.Parameter):
            waiting += fresh
        elif found and name != "head" and all(parameter.ndim < 2 for parameter in fresh):
            found[-1][1].extend(fresh)
        elif fresh:
            found.append((name, waiting + fresh))
            waiting = []
    if waiting:
        found = [*found[:-1], (found[-1][0], found[-1][1] + waiting)] if found else [("all", waiting)]
    return dict(found)


def _parts(module: nn.Module, path: str = "") -> Iterator[tuple[str, nn.Module | nn.Parameter]]:
    """What a module consists of, with lists and what holds them taken apart; without the model's head."""
    yield from ((path + name, parameter) for name, parameter in module.named_parameters(recurse=False))
    for name, child in module.named_children():
        where = path + name
        if where == "head":
            continue
        if isinstance(child, _LISTS):
            yield from ((f"{where}.{item}", part) for item, part in child.named_children())
        elif where == "backbone" or any(isinstance(part, _LISTS) for part in child.children()):
            yield from _parts(child, f"{where}.")
        else:
            yield where, child
