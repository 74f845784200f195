"""Geth's manners before anvil, which is kinder than any client of the real chain.

``Gateway(url, names)`` stands before one anvil; ``gateway.peer(name)`` is what an ``EndpointProxy`` is put before. What it corrects, and
what was measured with anvil 1.7.1:

- the pool: anvil refuses what offers less than the base fee and throws away what the base fee has overtaken; geth keeps it. Anvil takes a
  replacement that offers a wei more; geth asks for a tenth, of both fees. Errors differ in words and codes.
- reorganisations: anvil forgets blocks and their transactions, and tells no ``removed`` logs; geth knows an orphan by its hash, refuses it
  under ``requireCanonical``, and puts its transactions back into the pool. The orphan's *state* is gone here, as it may be on a client:
  a call at its hash fails as on a pruned node.
- fees: anvil takes a call that offers less than the base fee, and always suggests a tip of 1 gwei; geth looks at the last blocks.
- other branches: ``split`` puts endpoints onto a branch of their own; ``orphan``, ``hold``, ``withhold`` and ``jam`` are for drills.

``eth_call`` at the head agrees with geth: the block's number is the head's, and its own ``blockhash`` is zero.
"""

from monitor.devnet.gateway.control import Control
from monitor.devnet.gateway.maker import Jam
from monitor.devnet.gateway.network import Gateway
from monitor.devnet.gateway.peer import Peer

__all__ = ["Control", "Gateway", "Jam", "Peer"]
