"""Overrides as they were typed, without the marks that Hydra needs."""

from sensorium.cli.app import typed


def test_marks_that_were_put_before_trainer_keys_are_taken_away() -> None:
    given = ["++trainer.max_epochs=3", "seed=1", "++seed=1", "+callbacks.x=1", "trainer.devices=2"]
    assert typed(given) == ["trainer.max_epochs=3", "seed=1", "++seed=1", "+callbacks.x=1", "trainer.devices=2"]
