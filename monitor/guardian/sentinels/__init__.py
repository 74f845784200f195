"""How K signatures of sentinels meet on one order.

**The protocol.** There is no proposer and no round. Each sentinel judges the chain from its own endpoints. At each block at which its own
rules say that a decision holds, it signs the order for this decision *at this block's hash*, and it goes on, a signature a block, as
long as the decision holds at its newest judged block and nothing is mined. It serves what it signed over HTTP (``board``), and pulls what the
others serve (``peers``). Who finds K live signatures under one digest may submit (``gather``); so may anybody else who sees them.

**Why it is safe.** A digest binds chain, contract, target, epoch, block hash and the decision's document, byte for byte. So K signatures
under one digest are K services that each computed the same document from their own reads of the same block; with fewer than K keys stolen at
least one honest service saw it. Signing many blocks, or two blocks of one height, is no fault: each order lives only on the chain that has its block,
the first pause raises the epoch that all others name, and budgets are the contract's. A peer is believed in nothing: what it sends is an order that we
signed ourselves with a signature that recovers to a sentinel that the contract lists as live, or it is dropped.

**Why it is live.** All honest sentinels that judge a block at which the decision holds sign equal digests, in any order and at any speed; no message
has to come first and none is lost, since orders are pulled until enough are there. A sentinel that started late, missed a frame or fires one block later
joins at the first block at which its document is the same; until then the others do without it. With N sentinels of which N - K are down, mute or
lying, the rest still meets at each block. Signers take turns to submit (``settings.turn_blocks``), one block apart, so that a sentinel that withholds its
submission costs a block and not the pause. An order that dies (reorganisation, age, epoch) is replaced by the next block's.

**What it does not do.** A sentinel whose key is stolen can sign what it never saw: it is one of K. K stolen keys pause each armed target within its
budget. ``cancel`` voids one block's order: our sentinels take it as a person's no to the whole episode and stop signing, thieves would not; against these
``disarm``, ``revokeSentinel`` and ``stopSentinels`` are made.
"""
