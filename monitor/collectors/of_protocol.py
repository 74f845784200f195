"""How a collector of one protocol's signal begins: the source that it asks, and the one scope that it speaks for."""

from __future__ import annotations

from typing import Generic, Protocol, TypeVar

from monitor.model import Address, Labels, labels


class Logged(Protocol):
    """A source that reads logs of some contracts."""

    @property
    def watches(self) -> frozenset[Address]: ...


S = TypeVar("S")
L = TypeVar("L", bound=Logged)


class OfProtocol(Generic[S]):
    """Asks ``source`` and speaks for one protocol; no contract's logs are needed."""

    watches: frozenset[Address] = frozenset()

    def __init__(self, protocol: str, source: S) -> None:
        self._source, self._scope = source, labels(protocol=protocol)
        self.scopes: tuple[Labels, ...] = (self._scope,)


class OfProtocolWithLogs(OfProtocol[L]):
    """The same, with the logs that its source reads."""

    def __init__(self, protocol: str, source: L) -> None:
        super().__init__(protocol, source)
        self.watches = source.watches
