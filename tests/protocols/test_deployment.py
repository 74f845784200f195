"""Deployment files: mainnet's own, a devnet's, and every mistake told with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from eth_hash.auto import keccak

from monitor.collectors import collectors
from monitor.protocols.entries import BadEntry
from monitor.protocols.lido import protocol
from monitor.protocols.lido.deployment import UnknownContract, load, mainnet, parse
from monitor.protocols.lido.governance import APP_BASES, CORE

FACTS = yaml.load((Path(__file__).parents[1] / "data" / "lido_interface.yaml").read_text(), Loader=yaml.CSafeLoader)
QUEUE = "0x889edC2eDab5f40e902b864aD4d7AdE8E412F9B1"
LIDO = "0xae7ab96520DE3A18E5e111B5EaAb095312D7fE84"


def test_mainnet_covers_every_signal_and_says_what_it_cannot_read() -> None:
    sources = protocol(mainnet())
    assert sources.network == 1
    assert sources.queue and sources.oracles and sources.accounting and sources.pointers
    assert all("holders cannot be listed" in line for line in sources.uncovered)
    assert any(line.startswith("roles of lido:") for line in sources.uncovered)
    assert {"withdrawal_queue", "accounting_oracle", "lido"} <= sources.urgent


def test_mainnets_roles_have_the_hashes_of_their_preimages() -> None:
    known = {(name, bytes.fromhex(digest[2:])) for name, _, digest in FACTS["roles"]}
    for deployed in mainnet().contracts.values():
        assert {(name, digest) for digest, name in deployed.roles.items()} <= known
    vault_hub = {name: digest for digest, name in mainnet().contracts["vault_hub"].roles.items()}
    assert vault_hub["PAUSE_ROLE"] == keccak(b"PausableUntilWithRoles.PauseRole")


def test_kernel_namespaces_hash_as_known() -> None:
    assert keccak(b"base") == APP_BASES
    assert keccak(b"core") == CORE


def test_a_devnet_file_inherits_roles_and_pause_but_no_proxy() -> None:
    deployment = parse(
        f"contracts:\n  withdrawal_queue: '{QUEUE}'\n  lido: {{address: '{LIDO}', proxy: ossifiable_proxy_core, pause: none}}"
    )
    queue = deployment.contracts["withdrawal_queue"]
    assert queue.proxy is None
    assert "FINALIZE_ROLE" in queue.roles.values()
    assert queue.pause == "pausable_until"
    assert deployment.contracts["lido"].proxy == "ossifiable_proxy_core"
    assert deployment.contracts["lido"].pause is None


def test_a_missing_contract_removes_its_signal_and_says_so() -> None:
    sources = protocol(parse(f"contracts: {{withdrawal_queue: '{QUEUE}'}}"))
    assert sources.queue is not None
    assert sources.accounting is None and sources.oracles == () and sources.pointers is None
    assert "oracle accounting_oracle: the deployment has no accounting_oracle, hash_consensus_ao" in sources.uncovered
    assert "accounting: the deployment has no lido" in sources.uncovered
    assert "queue: the buffer's part of the available ether: the deployment has no lido" in sources.uncovered
    assert {c.name for c in collectors(sources, {})} == {"roles_events", "roles_holders", "contracts", "queue", "queue_head"}


def test_a_contract_of_the_users_own_says_what_it_is() -> None:
    text = f"contracts: {{my_vault: {{address: '{QUEUE}', access: access_control_enumerable, pause: pausable_until, roles: [PAUSE_ROLE]}}}}"
    mine = parse(text).contracts["my_vault"]
    assert mine.roles == {keccak(b"PAUSE_ROLE"): "PAUSE_ROLE"}


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        (f"contracts:\n  withdrawl_queue: '{QUEUE}'", "2:3", 'did you mean "withdrawal_queue"'),
        ("contracts:\n  lido: 0x1234", "2:9", "must be an address"),
        (f"contracts:\n  lido: '{QUEUE.replace('edC', 'Edc')}'", "2:9", "checksum"),
        (f"contracts:\n  lido: '{QUEUE}'\n  wsteth: '{QUEUE}'", "3:11", 'same address as "lido"'),
        (f"contracts:\n  lido: '{QUEUE}'\n  lido: '{LIDO}'", "3:3", "written twice"),
        (f"contracts:\n  lido: {{address: '{LIDO}', proxy: aragon_proxi}}", "2:72", 'did you mean "aragon_proxy"'),
        ("contracts:\n  lido: {pause: none}", "2:9", "no address"),
        ("contract: {}", "1:1", 'did you mean "contracts"'),
        ("contracts: [", "2:1", "not YAML"),
        ("", "1:1", "empty"),
        ("network: 1", "1:1", '"contracts" is missing'),
    ],
)
def test_mistakes_are_told_with_their_place(text: str, where: str, what: str) -> None:
    with pytest.raises(BadEntry) as caught:
        parse(text, "mine.yaml")
    assert str(caught.value).startswith(f"mine.yaml:{where}:")
    assert what in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadEntry, match="cannot be read"):
        load(tmp_path / "none.yaml")


def test_asking_for_an_unknown_contract_names_the_nearest() -> None:
    with pytest.raises(UnknownContract, match='did you mean "withdrawal_queue"'):
        mainnet()["withdrawal_quee"]
