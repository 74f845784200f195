"""Where a running devnet is: its folder, and the file in it that tells every address. Light, so that commands can look first."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

FOLDER = Path(".stakewarden/devnet")


@dataclass(frozen=True)
class Devnet:
    """Where everything is: the content of ``devnet.json``."""

    pid: int
    port: int
    folder: str
    web: str
    inbox: str
    controls: dict[str, str]
    """Control address of each endpoint proxy, by the endpoint's name."""
    beacon: str = ""
    """Control address of the beacon simulator, for ``beacon.BeaconControl``; empty where there is none."""
    grafana: str = ""
    """Address of what plays Grafana; empty where there is none."""
    gateway: str = ""
    """Control address of the gateway behind the endpoints (``gateway.control``); empty where there is none."""
    sentinels: dict[str, str] = field(default_factory=dict)
    """Page of each other sentinel, by name. None runs until a drill begins it."""

    @classmethod
    def read(cls, folder: Path) -> Devnet:
        """What :meth:`write` wrote. Raises FileNotFoundError."""
        return cls(**json.loads((folder / "devnet.json").read_text()))

    def write(self) -> None:
        path = Path(self.folder) / "devnet.json"
        path.with_suffix(".new").write_text(json.dumps(asdict(self), indent=1))
        path.with_suffix(".new").replace(path)
