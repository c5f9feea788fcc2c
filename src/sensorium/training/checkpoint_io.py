"""How the checkpoints of a run are written and read, by one process or by several together."""

import secrets
from pathlib import Path
from typing import Any

from lightning.pytorch.plugins.io import CheckpointIO

from sensorium import checkpoint as files
from sensorium import checkpoint_shards, distributed
from sensorium.runs import RunFolder


class AtomicCheckpointIO(CheckpointIO):
    """Writes atomically, keeps the one before `last.ckpt`, opens as data only."""

    def __init__(self, run: RunFolder) -> None:
        self.run = run

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        path = Path(path)
        if path != self.run.last:
            files.save_atomically(checkpoint, path)
            return
        fresh = path.with_name(".next.ckpt")
        files.save_atomically(checkpoint, fresh)
        if path.exists():
            path.replace(self.run.previous)
        fresh.replace(path)
        checkpoint_shards.remove_unnamed(path.parent)

    def load_checkpoint(self, path: Any, map_location: Any | None = None, weights_only: bool | None = True) -> Any:
        # Others need not share the first one's disk.
        return distributed.from_first(lambda: files.read_raw(Path(path)))

    def remove_checkpoint(self, path: Any) -> None:
        Path(path).unlink(missing_ok=True)


def is_one_folder(folder: Path) -> bool:
    """Whether every process of the group sees the same folder at this path; all of them ask together."""
    mark = folder / distributed.agree(f".seen-{secrets.token_hex(8)}")
    if distributed.rank() == 0:
        folder.mkdir(parents=True, exist_ok=True)
        mark.touch()
    distributed.agree(None)  # it is there before the others look
    seen = distributed.gather([mark.exists()], processes=distributed.world_size())
    if distributed.rank() == 0:
        mark.unlink()
    return all(seen)
