"""The execution chain through JSON-RPC: agreed heads, agreed reads. ``Execution`` is the door."""

from monitor.chain.endpoint import EndpointHealth
from monitor.chain.errors import NoAgreement
from monitor.chain.execution import Execution
from monitor.chain.heads import DEPTH, Block, Gap, HeadEvent, Lost, Quiet, Rewind
from monitor.chain.settings import EndpointSettings, NetworkSettings

__all__ = [
    "DEPTH",
    "Block",
    "EndpointHealth",
    "EndpointSettings",
    "Execution",
    "Gap",
    "HeadEvent",
    "Lost",
    "NetworkSettings",
    "NoAgreement",
    "Quiet",
    "Rewind",
]
