"""The state of a recurrent model, carried from one batch of running text to the next."""

from typing import Protocol

from torch import Tensor

State = tuple[Tensor, ...]


class Carrying(Protocol):
    """A model that says whether training continues from the state after the previous batch."""

    carries_state: bool


def carried(model: Carrying, state: State | None, batch_size: int) -> State | None:
    """The state that the next batch starts from: detached; nothing for a model without `carries_state`.

    A batch of fewer rows continues with the last of the previous rows, as the end of an evaluation has it
    (`sensorium.data.order.StreamOrder`).
    """
    if state is None or not model.carries_state:
        return None
    return tuple(part[-batch_size:].detach() for part in state)
