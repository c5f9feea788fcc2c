"""What a server grants to whoever asks: sizes, waiting, time."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The keys of `sensorium serve` of the same names; their defaults are in configs/serve.yaml.

    max_batch: inputs that are predicted together, at most. max_wait: seconds that a request waits for others, at most.
    max_queue: requests that wait for one model. max_inputs: of one request. timeout: seconds of one request, waiting
    included, and of one step of a worker. read_timeout: seconds in which a request has to arrive, and a part of the
    response to be taken. max_body: bytes of a request. max_pixels, max_seconds, max_characters: of one input.
    max_tokens: that a language model writes for one request. max_streams: live connections at a time.
    """

    max_batch: int
    max_wait: float
    max_queue: int
    max_inputs: int
    timeout: float
    read_timeout: float
    max_body: int
    max_pixels: int
    max_seconds: float
    max_characters: int
    max_tokens: int
    max_streams: int
