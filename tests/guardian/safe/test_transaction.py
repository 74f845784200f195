"""The hash that owners sign, against another implementation of EIP-712 and the type hashes that Safes carry."""

from __future__ import annotations

from eth_account.messages import _hash_eip191_message, encode_typed_data
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.guardian.safe.transaction import DOMAIN_TYPE_HASH, EXECUTE, TRANSACTION_TYPE_HASH, SafeTransaction
from monitor.model import Address, address

uints = st.integers(0, 2**256 - 1)
accounts = st.binary(min_size=20, max_size=20).map(lambda b: address("0x" + b.hex()))
transactions = st.builds(
    SafeTransaction, chain_id=st.integers(1, 2**64), safe=accounts, nonce=uints, to=accounts, data=st.binary(max_size=100), value=uints,
    operation=st.integers(0, 1), safe_tx_gas=uints, base_gas=uints, gas_price=uints, gas_token=accounts, refund_receiver=accounts,
)  # fmt: skip


def test_the_type_hashes_are_those_of_the_safes_on_mainnet() -> None:
    """Constants of Safe 1.3.0 and 1.4.1 (``DOMAIN_SEPARATOR_TYPEHASH``, ``SAFE_TX_TYPEHASH``)."""
    assert DOMAIN_TYPE_HASH.hex() == "47e79534a245952e8b16893a336b85a3d9ea9fa8c573f3d803afb92a79469218"
    assert TRANSACTION_TYPE_HASH.hex() == "bb8310d486368db6bd6f849402fdd73ad53d316b5a4b2644ad6efe0f941286d8"
    assert EXECUTE.selector.hex() == "6a761202"


@given(transactions)
@settings(max_examples=60, deadline=None)
def test_the_hash_is_eip_712s(t: SafeTransaction) -> None:
    domain = [{"name": "chainId", "type": "uint256"}, {"name": "verifyingContract", "type": "address"}]
    fields = [
        ("to", "address"), ("value", "uint256"), ("data", "bytes"), ("operation", "uint8"), ("safeTxGas", "uint256"), ("baseGas", "uint256"),
        ("gasPrice", "uint256"), ("gasToken", "address"), ("refundReceiver", "address"), ("nonce", "uint256"),
    ]  # fmt: skip
    typed = {
        "types": {"EIP712Domain": domain, "SafeTx": [{"name": n, "type": t} for n, t in fields]},
        "primaryType": "SafeTx",
        "domain": {"chainId": t.chain_id, "verifyingContract": t.safe},
        "message": {
            "to": t.to, "value": t.value, "data": t.data, "operation": t.operation, "safeTxGas": t.safe_tx_gas, "baseGas": t.base_gas,
            "gasPrice": t.gas_price, "gasToken": t.gas_token, "refundReceiver": t.refund_receiver, "nonce": t.nonce,
        },
    }  # fmt: skip
    assert t.hash == _hash_eip191_message(encode_typed_data(full_message=typed))


@given(
    transactions, st.sampled_from(["chain_id", "safe", "nonce", "to", "data", "value", "operation", "safe_tx_gas", "gas_token"]), st.data()
)
@settings(max_examples=60, deadline=None)
def test_every_field_is_under_the_signature(t: SafeTransaction, field: str, data: st.DataObject) -> None:
    import dataclasses

    other = data.draw(transactions)
    changed = dataclasses.replace(t, **{field: getattr(other, field)})
    assert (changed.hash == t.hash) == (getattr(t, field) == getattr(other, field))


def test_an_address_type_is_not_needed_to_be_checksummed_to_hash() -> None:
    a, b = address("0x" + "ab" * 20), Address("0x" + "ab" * 20)
    assert SafeTransaction(1, a, 0, a, b"").hash == SafeTransaction(1, b, 0, b, b"").hash
