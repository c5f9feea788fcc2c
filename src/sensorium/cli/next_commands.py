"""What can be done with a run that has ended, as lines that work when they are pasted."""

import shlex

from sensorium.build import is_own, makes_classes
from sensorium.cli.eval_data import remote_roots
from sensorium.data.base import Data
from sensorium.errors import as_typed
from sensorium.run_config import RunConfig
from sensorium.run_folder import RunFolder
from sensorium.tasks import registry


def next_commands(config: RunConfig, run: RunFolder, data: Data) -> str:
    """The lines, one after the other."""
    best = shlex.quote(str(run.best))
    if not makes_classes(config.learning):
        return f"sensorium train model.init={best}"
    trust = "" if is_own(dataset=config.dataset, model=config.model, decoding=config.decoding) else " trust=true"
    skip = " on_bad=skip" if config.on_bad == "skip" else ""
    # eval asks no address that only the checkpoint names
    root = f" {shlex.quote('dataset.root=' + as_typed(config.dataset['root']))}" if remote_roots(config) else ""
    task = registry.of(data.spec)
    lines = [
        f"sensorium eval ckpt={best}{trust}{skip}{root}",
        f"sensorium predict ckpt={best}{trust} {task.example_input}",
    ]
    return "\n".join(lines)
