"""Sensorium: one command that trains, evaluates and serves models for sight, language and sound."""

__version__ = "0.1.0"
