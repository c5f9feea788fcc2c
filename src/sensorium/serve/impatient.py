"""uvicorn's HTTP, without connections on which no request comes, or whose other end does not take what it is sent: it
waits for both without end.
"""

import asyncio
from typing import Any, ClassVar

from uvicorn.protocols.http.h11_impl import H11Protocol


class _Impatient(H11Protocol):
    """seconds: in which the head of a request has to arrive, from its first byte or from the connection on, and in
    which a full buffer has to be taken.
    """

    seconds: ClassVar[float]
    _patience: asyncio.TimerHandle | None = None
    _full: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._start()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._is_idle():
            self._stop()
        elif self._patience is None:
            self._start()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._full = self.loop.call_later(self.seconds, self.transport.abort)

    def resume_writing(self) -> None:
        self._emptied()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        self._emptied()
        super().connection_lost(exc)

    def _emptied(self) -> None:
        if self._full is not None:
            self._full.cancel()
            self._full = None

    def _is_idle(self) -> bool:
        """Whether there is no request that is being answered; not so of a connection that became a WebSocket's."""
        own = self.transport.get_protocol() is self
        return own and (self.cycle is None or self.cycle.response_complete)

    def _start(self) -> None:
        self._patience = self.loop.call_later(self.seconds, self._give_up)

    def _stop(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self._patience = None
        if self._is_idle():
            self.transport.close()


def impatient(seconds: float) -> type[H11Protocol]:
    """The protocol that waits so long."""
    return type("Impatient", (_Impatient,), {"seconds": seconds})
