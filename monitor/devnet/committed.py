"""``python -m monitor.devnet.committed`` (``make abi``): renew the committed interface and code of the contracts that are deployed on real chains."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

import orjson

from monitor.devnet.anvil import CONTRACTS_DIR
from monitor.devnet.build import artifacts
from monitor.guardian.compiled import GUARDIAN, RELEASER, Shipped, from_artifact, text


def artifact(which: Shipped, contracts: Path = CONTRACTS_DIR) -> dict[str, Any]:
    """Forge's whole output for a contract, compiled if the sources changed."""
    artifacts(contracts)
    [path] = (contracts / "out").glob(f"*.sol/{which.contract}.json")
    found: dict[str, Any] = orjson.loads(path.read_bytes())
    return found


def current(which: Shipped) -> str:
    """What is to be committed."""
    return text(from_artifact(artifact(which), which.contract))


def main() -> None:
    for which in (GUARDIAN, RELEASER):
        path = Path(str(resources.files("monitor.guardian").joinpath(which.file)))
        wanted = current(which)
        same = path.exists() and path.read_text("utf-8") == wanted
        if not same:
            path.write_text(wanted, "utf-8")
        print(f"{path.name}: {'as it was' if same else 'renewed'}")


if __name__ == "__main__":
    main()
