"""What can be paused on the devnet, in the form of ``monitor/guardian/levers/mainnet.yaml``.

Mainnet's levers behind the CircuitBreaker, as far as their contracts are here, with mainnet's words.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from monitor.devnet.deploy import COMMITTEE, Deployment
from monitor.guardian.levers.declared import BreakerLever, Declarations, mainnet

PROTOCOL = "lido"
CONTRACTS = ("agent", "circuit_breaker", COMMITTEE)
PEOPLE = ("reseal_manager",)


def declarations(deployment: Deployment) -> Declarations:
    """The levers of a deployment: what mainnet's file says of the same contract, at the devnet's address and behind the devnet's CircuitBreaker."""
    here = deployment.contracts
    behind = (lever for p in mainnet().protocols if p.protocol == PROTOCOL for lever in p.levers if isinstance(lever, BreakerLever))
    levers = [
        {**lever.model_dump(mode="json", exclude_unset=True), "address": here[lever.contract], "via": here["circuit_breaker"]}
        for lever in behind
        if lever.contract in here
    ]
    accounts = {name: here[name] for name in CONTRACTS} | {name: deployment.accounts[name] for name in PEOPLE}
    return Declarations.model_validate(
        {
            "network": deployment.chain_id,
            "accounts": {f"{PROTOCOL}/{name}": at for name, at in accounts.items()},
            "protocols": [{"protocol": PROTOCOL, "levers": levers}],
        }
    )


def write(deployment: Deployment, path: Path) -> None:
    """Write them as the file that ``guardian.levers_file`` names."""
    content = declarations(deployment).model_dump(mode="json", exclude_defaults=True)
    path.write_text("# Written by the devnet at each start.\n" + yaml.safe_dump(content, sort_keys=False))
