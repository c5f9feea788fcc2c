"""Truth tables as data: two inputs that are false or true, and a logical function of them.

W. McCulloch and W. Pitts, "A logical calculus of the ideas immanent in nervous activity", Bulletin of Mathematical
Biophysics 5, 1943: what networks of threshold units compute. M. Minsky and S. Papert, "Perceptrons", 1969: that one
layer of weights cannot learn XOR, for no straight line parts its true inputs from its false ones.
"""

from dataclasses import dataclass

import numpy as np

from sensorium.data.base import Data, OnBad, check_on_bad
from sensorium.data.settings import Settings
from sensorium.data.vision.splits import ImageSplit
from sensorium.data.vision.store import ArrayStore
from sensorium.errors import unknown
from sensorium.specs import ImageClassificationSpec

INPUTS = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
# What each function says of the four INPUTS; "not" looks at the first number alone.
TABLES = {
    "and": (0, 0, 0, 1),
    "or": (0, 1, 1, 1),
    "xor": (0, 1, 1, 0),
    "not": (1, 1, 0, 0),
    "and_not": (0, 0, 1, 0),
}


@dataclass(frozen=True, kw_only=True)
class Logic(Settings):
    """Four examples, as images 1 pixel high and 2 wide with a black or white pixel for each input.

    They reach the model as the 0 and 1 of the truth table: nothing is subtracted, nothing divided by. The classes are
    "0" (false) and "1" (true).

    function: and, or, xor, not (of the first input), or and_not (the first and not the second).
    """

    task = "classification"

    function: str

    def check(self) -> None:
        super().check()
        if self.function not in TABLES:
            raise unknown("function of logic (dataset.function)", str(self.function), TABLES)

    def load(self, *, on_bad: OnBad) -> Data:
        check_on_bad(on_bad)
        pixels = (255 * INPUTS).astype(np.uint8).reshape(-1, 1, 1, 2)  # (4, C, H, W)
        names = [f"{first} {self.function} {second}" for first, second in INPUTS.tolist()]
        if self.function == "not":
            names = [f"not {first}, beside {second}" for first, second in INPUTS.tolist()]
        store = ArrayStore(pixels, image_size=None, channels="auto", resize="crop")
        table = ImageSplit(store, np.array(TABLES[self.function], dtype=np.int64), names)
        spec = ImageClassificationSpec(
            class_names=("0", "1"), in_channels=1, image_size=(1, 2), mean=(0.0,), std=(1.0,)
        )
        note = "train, val and test are the same four examples: a truth table has no others to hold out"
        return Data(spec=spec, train=table, val=table, test=table, notes=(note,))
