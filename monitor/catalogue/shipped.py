"""The families that ship with Stakewarden, a tuple a signal. Order is the order of ``docs/metrics.md``.

Naming: the signal first, the unit last; ratios are fractions; timestamps are Unix seconds, to be read as ``time() - x``.
A label that many families share is declared once, at the head.
"""

from __future__ import annotations

from monitor.model import EVERY_BLOCK, Cadence, Family, LabelSpec, Unit, Zone

PROTOCOL = LabelSpec("protocol", "The protocol that the value speaks for.", ("lido",))
OWNER = LabelSpec("protocol", "Whose validators: a protocol's, or all of the network (ethereum).", ("ethereum", "lido"))
CHAIN = LabelSpec("protocol", "The chain itself.", ("ethereum",))
OPERATOR = LabelSpec(
    "operator",
    "Module, number and name of the node operator; unlisted: the protocol's withdrawal credentials without a key of its registries; absent: all of the owner's validators.",
)
CONTRACT = LabelSpec("contract", "The contract's name in the protocol's contract list.")
ROLE = LabelSpec("role", "The role's name, or its hash if it has no name in the contract list.")
ACCOUNT = LabelSpec("account", "The account, EIP-55.")
ORACLE = LabelSpec("oracle", "The oracle's contract name.", ("accounting_oracle",))
MEMBER = LabelSpec("member", "The committee member's address, EIP-55.")
APPROVED = LabelSpec("approved", "Whether rules/policy/baseline.yaml lists it.", ("yes", "no"))
TX = LabelSpec("tx", "Hash of the transaction.")
SEQ = LabelSpec("seq", "Rank of the log among the watched logs of its transaction.")
COLLECTOR = LabelSpec("collector", "Name of the collector.")
ENDPOINT = LabelSpec("endpoint", "Name of the endpoint in the settings.")
TARGET = LabelSpec("target", "Name of the guardian's target in the settings.")

HOUR = 3600
DAY = 24 * HOUR
ROLE_READS = Cadence(seconds=60)
EPOCH = Cadence(seconds=384)
EPOCHS_FRESH = 4 * 384
"""An epoch's facts speak until the next two could have been missed."""


def gauge(
    name: str, unit: Unit, zone: Zone, labels: tuple[LabelSpec, ...], help: str, *, cadence: Cadence = EVERY_BLOCK, fresh_for: int = 60,
    max_series: int = 1000,
) -> Family:  # fmt: skip
    return Family(name, "gauge", unit, zone, labels, help, cadence, fresh_for, max_series=max_series)


def counter(name: str, unit: Unit, zone: Zone, labels: tuple[LabelSpec, ...], help: str, *, fresh_for: int = 60) -> Family:
    return Family(name, "counter", unit, zone, labels, help, fresh_for=fresh_for)


def event(name: str, zone: Zone, labels: tuple[LabelSpec, ...], help: str, *, visible_for: int = HOUR) -> Family:
    return Family(name, "event", "count", zone, (*labels, TX, SEQ), help, visible_for=visible_for)


CHANGE_ROLE = LabelSpec("change", "What happened to the role.", ("granted", "revoked", "admin_changed"))
CHANGE_PAUSE = LabelSpec("change", "What happened to the contract.", ("paused", "resumed"))
CHANGE_PROXY = LabelSpec("change", "What changed on the proxy.", ("implementation", "admin", "ossified"))

ROLES = (
    gauge("role_holder", "bool", "governance", (PROTOCOL, CONTRACT, ROLE, ACCOUNT, APPROVED), "1 for each account that holds a role, from a full read.", cadence=ROLE_READS, fresh_for=300, max_series=10_000),
    gauge("role_holders_unapproved", "count", "governance", (PROTOCOL, CONTRACT, ROLE), "Holders of the role that the baseline does not list.", cadence=ROLE_READS, fresh_for=300, max_series=5_000),
    gauge("role_holders_missing", "count", "governance", (PROTOCOL, CONTRACT, ROLE), "Holders that the baseline lists and the chain does not have.", cadence=ROLE_READS, fresh_for=300, max_series=5_000),
    gauge("contract_implementation_approved", "bool", "governance", (PROTOCOL, CONTRACT, LabelSpec("implementation", "Address of the proxy's implementation.")), "1 if the proxy's implementation is the one in the baseline, else 0.", fresh_for=120),
    gauge("contract_admin_approved", "bool", "governance", (PROTOCOL, CONTRACT, LabelSpec("admin", "Address of the proxy's admin.")), "1 if the proxy's admin is the one in the baseline, else 0.", fresh_for=120),
    gauge("contract_paused", "bool", "governance", (PROTOCOL, CONTRACT), "1 while the contract says that it is paused.", fresh_for=120),
    gauge("contract_resume_timestamp_seconds", "timestamp", "governance", (PROTOCOL, CONTRACT), "When a timed pause ends by itself; absent when not paused or open-ended.", fresh_for=120),
    gauge("contract_pointer_drift", "bool", "governance", (PROTOCOL, CONTRACT, LabelSpec("address", "What the protocol's own address book says.")), "1 if the protocol's address book names another address for the contract than the deployment that we watch, else 0.", cadence=ROLE_READS, fresh_for=300),
    event("role_change", "governance", (PROTOCOL, CONTRACT, ROLE, ACCOUNT, CHANGE_ROLE, APPROVED), "A role was granted, revoked, or got another admin role.", visible_for=6 * HOUR),
    event("contract_upgrade", "governance", (PROTOCOL, CONTRACT, CHANGE_PROXY, LabelSpec("account", "New implementation or admin."), APPROVED), "A proxy got another implementation or admin, or was ossified.", visible_for=6 * HOUR),
    event("contract_pause_change", "governance", (PROTOCOL, CONTRACT, CHANGE_PAUSE), "A contract was paused or resumed; a resume and a pause in one transaction count as the last of them.", visible_for=6 * HOUR),
)  # fmt: skip

ORACLE_FAMILIES = (
    gauge("oracle_report_timestamp_seconds", "timestamp", "accounting", (PROTOCOL, ORACLE), "Reference time of the last processed report; data age is time() minus this."),
    gauge("oracle_report_due_seconds", "timestamp", "accounting", (PROTOCOL, ORACLE), "When the first report not delivered yet is due, without allowance (its reference time)."),
    gauge("oracle_report_deadline_seconds", "timestamp", "accounting", (PROTOCOL, ORACLE), "Last time at which the current frame's report may be processed, from the contract's frames."),
    gauge("oracle_report_late_seconds", "seconds", "accounting", (PROTOCOL, ORACLE), "Seconds since the first outstanding report was due (reference time plus the configured allowance); 0 when delivered."),
    gauge("oracle_report_delivered", "bool", "accounting", (PROTOCOL, ORACLE), "1 if the current frame's main data is processed."),
    gauge("oracle_consensus_reached", "bool", "accounting", (PROTOCOL, ORACLE), "1 if the committee agrees on a hash for the current frame."),
    gauge("oracle_undelivered_agreement_seconds", "seconds", "accounting", (PROTOCOL, ORACLE), "Seconds since consensus for the current frame while its main data is not processed; else 0."),
    gauge("oracle_reports_lost", "count", "accounting", (PROTOCOL, ORACLE), "Frames before the current one whose report never came and can come no more: misses in a row."),
    gauge("oracle_frame_seconds", "seconds", "accounting", (PROTOCOL, ORACLE), "Length of a reporting frame."),
    gauge("oracle_extra_data_pending_seconds", "seconds", "accounting", (PROTOCOL, ORACLE), "Seconds since the main data was processed while extra data is not complete; else 0."),
    gauge("oracle_extra_data_items", "count", "accounting", (PROTOCOL, ORACLE, LabelSpec("state", "Items announced, and items processed.", ("expected", "submitted"))), "Extra data items of the current frame's report; absent before the main data."),
    gauge("oracle_members", "count", "accounting", (PROTOCOL, ORACLE), "Members of the committee."),
    gauge("oracle_quorum", "count", "accounting", (PROTOCOL, ORACLE), "Votes needed for consensus; infinite when consensus is disabled (quorum 2^256-1)."),
    gauge("oracle_report_variants", "count", "accounting", (PROTOCOL, ORACLE), "Different hashes that members reported for the current frame."),
    gauge("oracle_member_report_timestamp_seconds", "timestamp", "accounting", (PROTOCOL, ORACLE, MEMBER), "Reference time of the last report of the member; absent before its first."),
    gauge("oracle_member_missed_duties", "count", "accounting", (PROTOCOL, ORACLE, MEMBER), "Fast-lane duties that the member missed in a row."),
    gauge("oracle_member_balance_ether", "ether", "accounting", (PROTOCOL, ORACLE, MEMBER), "Ether in the member's wallet."),
    event("oracle_report", "accounting", (PROTOCOL, ORACLE), "The main data of a report was processed.", visible_for=HOUR),
    event("oracle_member_report", "accounting", (PROTOCOL, ORACLE, MEMBER), "A member reported a hash.", visible_for=HOUR),
    event("oracle_committee_change", "governance", (PROTOCOL, ORACLE, LabelSpec("change", "What changed.", ("member_added", "member_removed", "quorum", "frame_config", "fast_lane", "report_processor", "consensus_contract", "consensus_version", "consensus_lost"))), "The committee or its rules changed.", visible_for=6 * HOUR),
    event("oracle_warning", "accounting", (PROTOCOL, ORACLE, LabelSpec("warning", "What the oracle said. The first two come with the next agreement only, up to a frame late.", ("processing_missed", "extra_data_incomplete", "report_discarded"))), "The oracle itself tells that a report went wrong.", visible_for=6 * HOUR),
)  # fmt: skip

SOURCE = LabelSpec("source", "Where the ether is.", ("buffer", "withdrawal_vault", "el_rewards_vault"))

QUEUE = (
    gauge("queue_unfinalized_ether", "ether", "deposit", (PROTOCOL,), "Nominal ether of requests that are not finalized."),
    gauge("queue_unfinalized_requests", "count", "deposit", (PROTOCOL,), "Requests that are not finalized."),
    gauge("queue_oldest_request_timestamp_seconds", "timestamp", "deposit", (PROTOCOL,), "When the oldest unfinalized request was made; absent when the queue is empty."),
    gauge("queue_available_ether", "ether", "deposit", (PROTOCOL, SOURCE), "Ether that a report could use for finalization now."),
    gauge("queue_coverage_ratio", "ratio", "deposit", (PROTOCOL,), "Available ether over unfinalized ether; absent when the queue is empty."),
    gauge("queue_claimable_ether", "ether", "deposit", (PROTOCOL,), "Ether locked for finalized requests that nobody claimed yet."),
    gauge("queue_claims_shortfall_ether", "ether", "deposit", (PROTOCOL,), "Locked ether minus the queue's balance; above zero, claims cannot all be paid."),
    gauge("queue_bunker_mode", "bool", "deposit", (PROTOCOL,), "1 while bunker mode is on."),
    gauge("queue_finalized_request_id", "count", "deposit", (PROTOCOL,), "Highest finalized request id."),
)  # fmt: skip

IDENTITY = LabelSpec("identity", "Which accounting identity.", ("parts", "supply", "wsteth_rate"))

ACCOUNTING = (
    gauge("accounting_share_rate_ratio", "ratio", "accounting", (PROTOCOL,), "Ether per share: total pooled ether over total shares."),
    gauge("accounting_pooled_ether", "ether", "accounting", (PROTOCOL,), "Total pooled ether."),
    gauge("accounting_shares", "shares", "accounting", (PROTOCOL,), "Total shares (in units of 1e18)."),
    gauge("accounting_external_shares_ratio", "ratio", "accounting", (PROTOCOL,), "External shares over total shares."),
    gauge("accounting_identity_gap_wei", "wei", "accounting", (PROTOCOL, IDENTITY), "Absolute difference between the two sides of an accounting identity at this block."),
    gauge("accounting_share_rate_drift_ratio", "ratio", "accounting", (PROTOCOL,), "Signed relative change of the share rate since the last report's rate: it may only change in a report."),
    gauge("accounting_wrapped_rate_drift_ratio", "ratio", "accounting", (PROTOCOL,), "Signed relative change of the rate that the wrapped token says of itself, since the first block seen with the oracle's last report: the drift read from other contracts."),
    gauge("accounting_rebase_ratio", "ratio", "accounting", (PROTOCOL,), "Relative growth of the share rate by the last report; absent before the first seen."),
    gauge("accounting_apr_ratio", "ratio", "accounting", (PROTOCOL,), "APR of the last report, after fees, by the protocol's formula (365.25 days); absent before the first seen."),
    gauge("accounting_apr_7d_ratio", "ratio", "accounting", (PROTOCOL,), "Mean APR of the reports of the last 7 days, weighted by elapsed time; absent before the first seen."),
    gauge("accounting_rebase_timestamp_seconds", "timestamp", "accounting", (PROTOCOL,), "Reference time of the last report seen to rebase; absent before the first."),
    gauge("accounting_rebase_clamped", "bool", "accounting", (PROTOCOL,), "1 if the last report's growth of the share rate was cut to the protocol's limit; absent before the first seen."),
    gauge("accounting_rebase_limit_ratio", "ratio", "accounting", (PROTOCOL,), "Largest growth of the share rate that one report may bring.", cadence=ROLE_READS, fresh_for=300),
    gauge("accounting_report_balance_gap_ether", "ether", "accounting", (PROTOCOL,), "Validators' balance in the last report minus what we counted on the beacon chain at its reference slot; absent when we have no state of that slot.", fresh_for=120),
    gauge("accounting_report_balance_gap_ratio", "ratio", "accounting", (PROTOCOL,), "The same gap over the balance that we counted.", fresh_for=120),
    event("accounting_rebase", "accounting", (PROTOCOL, LabelSpec("direction", "Sign of the change of the share rate.", ("up", "flat", "down"))), "A report changed the share rate.", visible_for=HOUR),
)  # fmt: skip

STATUS = LabelSpec(
    "status",
    "Status of the validator in the Beacon API's words.",
    (
        "pending_initialized",
        "pending_queued",
        "active_ongoing",
        "active_exiting",
        "active_slashed",
        "exited_unslashed",
        "exited_slashed",
        "withdrawal_possible",
        "withdrawal_done",
    ),
)
DUTY = LabelSpec("duty", "Which vote of the attestation.", ("source", "target", "head"))
BY = LabelSpec("by", "What is counted: validators, or their effective balances.", ("validators", "stake"))
STREAK = LabelSpec("epochs", "Without any timely vote for at least so many epochs in a row.", ("1", "2", "3", "5", "10", "225"))


def epochly(name: str, unit: Unit, zone: Zone, labels: tuple[LabelSpec, ...], help: str, *, max_series: int = 5_000) -> Family:
    return gauge(name, unit, zone, labels, help, cadence=EPOCH, fresh_for=EPOCHS_FRESH, max_series=max_series)


VALIDATORS = (
    epochly("validators", "count", "validator", (OWNER, OPERATOR, STATUS), "Validators by status, at the end of the epoch after the evaluated one.", max_series=20_000),
    epochly("validators_active", "count", "validator", (OWNER, OPERATOR), "Validators that were active in the evaluated epoch and are not slashed: those who had to vote."),
    epochly("validators_balance_ether", "ether", "validator", (OWNER, OPERATOR), "Sum of the balances."),
    epochly("validators_effective_balance_ether", "ether", "validator", (OWNER, OPERATOR), "Sum of the effective balances of validators_active."),
    epochly("validators_participation_ratio", "ratio", "validator", (OWNER, OPERATOR, DUTY, BY), "Share of validators_active with a timely vote; absent where nobody is active. For the network by stake and duty target, this is what justifies.", max_series=20_000),
    epochly("validators_offline", "count", "validator", (OWNER, OPERATOR, STREAK), "Active validators without any timely vote for so many epochs in a row; absent while so many epochs were not seen.", max_series=20_000),
    epochly("validators_offline_ratio", "ratio", "validator", (OWNER, OPERATOR, STREAK, BY), "The same over all active ones.", max_series=20_000),
    epochly("validators_longest_offline_epochs", "epochs", "validator", (OWNER, OPERATOR), "The longest streak of one active validator, as far as it was seen."),
    epochly("validators_proposals", "count", "validator", (OWNER, OPERATOR, LabelSpec("outcome", "What came of the slot.", ("proposed", "missed"))), "Slots of the epoch after the evaluated one (that of the state, which names its own proposers) in which they were to propose; absent before Fulu.", max_series=10_000),
    epochly("validators_reward_ether", "ether", "validator", (OWNER, OPERATOR), "Attestation rewards and penalties of validators_active in the evaluated epoch; what slashed ones pay is in slashing_loss_ether."),
    epochly("validators_ideal_reward_ether", "ether", "validator", (OWNER, OPERATOR), "What perfect attestations had earned in the evaluated epoch; 0 in an inactivity leak."),
    epochly("validators_effectiveness_ratio", "ratio", "validator", (OWNER, OPERATOR), "Rewards over ideal rewards; negative when penalties prevail; absent in a leak."),
    epochly("validators_foreign_credentials", "count", "validator", (OWNER, OPERATOR), "Validators with a deposited key of the operator but withdrawal credentials that are not the protocol's: somebody deposited first. They count as nobody's in every other family; absent where there is none."),
    epochly("validators_epoch", "epochs", "validator", (CHAIN,), "The evaluated epoch."),
)  # fmt: skip

SLASHING = (
    Family("validator_slashed", "event", "count", "validator", (OWNER, OPERATOR, LabelSpec("validator", "Index of the validator; of very many in one block the first ones, then: and N more. For the network one event an offence: the first, and N more."), LabelSpec("kind", "What it did.", ("proposal", "attestation", "unseen"))), "A validator was slashed; seen in a block, or (unseen) only by its flag in the state.", visible_for=6 * HOUR, max_series=5_000),
    epochly("slashing_validators", "count", "validator", (OWNER, OPERATOR), "Slashed validators that are not withdrawable yet (36 days, longer in a long exit queue)."),
    epochly("slashing_loss_ether", "ether", "validator", (OWNER, OPERATOR, LabelSpec("part", "Which penalty.", ("initial", "attestation", "correlation"))), "What these lose in all, by the fork's formulas, if nobody else is slashed.", max_series=10_000),
    epochly("slashing_loss_ratio", "ratio", "validator", (OWNER, OPERATOR), "The sum of these losses over the sum of all balances of the owner or operator."),
    epochly("slashing_network_ratio", "ratio", "validator", (CHAIN,), "Effective balance in the slashings window over the total active balance: from one third on, everything is lost."),
)  # fmt: skip

QUEUE_NAME = LabelSpec("queue", "Which queue of the chain.", ("entry", "exit", "partial_withdrawal", "consolidation"))

BEACON = (
    gauge("beacon_head_slot", "slots", "validator", (CHAIN,), "Slot of the agreed head.", fresh_for=120),
    gauge("beacon_head_behind_slots", "slots", "validator", (CHAIN,), "Slots between the agreed beacon head and the judged execution block.", fresh_for=120),
    gauge("beacon_finality_distance_epochs", "epochs", "validator", (CHAIN,), "Epoch of the head minus the finalized epoch: 2 when healthy, 3 one epoch late.", fresh_for=120),
    gauge("beacon_justified_distance_epochs", "epochs", "validator", (CHAIN,), "Epoch of the head minus the justified epoch: 1 when healthy.", fresh_for=120),
    epochly("beacon_missed_slots", "slots", "validator", (CHAIN,), "Slots without a block in the epoch after the evaluated one, which is that of the state."),
    epochly("beacon_missed_slots_ratio", "ratio", "validator", (CHAIN,), "The same over the epoch's slots."),
    epochly("beacon_inactivity_leak", "bool", "validator", (CHAIN,), "1 while the inactivity leak applies."),
    epochly("beacon_active_ether", "ether", "validator", (CHAIN,), "Total active balance."),
    epochly("beacon_queue_ether", "ether", "validator", (CHAIN, QUEUE_NAME), "Ether that waits in the queue."),
    epochly("beacon_queue_entries", "count", "validator", (CHAIN, QUEUE_NAME), "Entries that wait in the queue."),
    epochly("beacon_queue_wait_seconds", "seconds", "validator", (CHAIN, QUEUE_NAME), "Time until something that joins now is through, with normal finality: a deposit of 32 ether active, an exit of 32 ether out, a partial withdrawal of 1 ether paid, a consolidation of 32 ether moved; absent while the chain takes none."),
)  # fmt: skip

TOKEN = LabelSpec("token", "The token.", ("stETH",))
VENUE = LabelSpec("venue", "Name of the pool or feed in the deployment.")

PEG = (
    gauge("peg_price_ratio", "ratio", "integration", (PROTOCOL, TOKEN, VENUE), "Market price in ether a token, at one venue.", fresh_for=120),
    gauge("peg_fair_value_ratio", "ratio", "integration", (PROTOCOL, TOKEN), "What the protocol itself says a token is worth, in ether.", fresh_for=120),
    gauge("peg_venue_deviation_ratio", "ratio", "integration", (PROTOCOL, TOKEN, VENUE), "Price over fair value minus 1 at one venue: negative is a discount.", fresh_for=120),
    gauge("peg_deviation_ratio", "ratio", "integration", (PROTOCOL, TOKEN), "The same for the weighted median of all live venues; unknown with fewer than two independent ones.", fresh_for=120),
    gauge("peg_spread_ratio", "ratio", "integration", (PROTOCOL, TOKEN), "Highest minus lowest price of the live venues, over the median.", fresh_for=120),
    gauge("peg_sources", "count", "integration", (PROTOCOL, TOKEN), "Independent live venues that the deviation rests on; feeds of one network are one.", fresh_for=120),
    gauge("peg_source_live", "bool", "integration", (PROTOCOL, TOKEN, VENUE), "1 if the venue's price counts: answered, fresh, deep enough.", fresh_for=120),
    gauge("peg_source_age_seconds", "seconds", "integration", (PROTOCOL, TOKEN, VENUE), "Age of a feed's answer; absent for pools, which always speak of the block.", fresh_for=120),
    gauge("peg_pool_share_ratio", "ratio", "integration", (PROTOCOL, TOKEN, VENUE), "The token's part of the pool's value at fair value: 0.5 is balanced, above it the token is sold.", fresh_for=120),
    gauge("peg_pool_depth_ether", "ether", "integration", (PROTOCOL, TOKEN, VENUE), "How much of the token can be sold into the pool at 1 % slippage, in ether at fair value.", fresh_for=120),
)  # fmt: skip

NODE = LabelSpec("node", "Name of the beacon node in the settings.")
CAUSE = LabelSpec(
    "cause",
    "decision: alerts that a response or a recorded decision ties to the target; protocol: other alerts of severity page about its protocol, but for those that say that the target is paused.",
    ("decision", "protocol"),
)

OWN = (
    gauge("stakewarden_blind", "bool", "monitor", (COLLECTOR, PROTOCOL), "1 while a collector's scope has no fresh ok frame.", fresh_for=120),
    gauge("stakewarden_frame_age_seconds", "seconds", "monitor", (COLLECTOR, PROTOCOL), "Age of the newest ok frame; absent before the first.", fresh_for=120),
    counter("stakewarden_frames_failed_total", "count", "monitor", (COLLECTOR, PROTOCOL, LabelSpec("status", "How the frame ended.", ("failed", "disputed"))), "Frames that were not ok since the service started.", fresh_for=120),
    gauge("stakewarden_endpoint_up", "bool", "monitor", (ENDPOINT,), "1 if the endpoint answered the last block's reads in time.", fresh_for=120),
    gauge("stakewarden_endpoint_lag_blocks", "blocks", "monitor", (ENDPOINT,), "Blocks by which the endpoint's head is behind the agreed head.", fresh_for=120),
    counter("stakewarden_endpoint_errors_total", "count", "monitor", (ENDPOINT, LabelSpec("kind", "What went wrong.", ("timeout", "connection", "http", "rpc", "rate_limited", "malformed", "pruned"))), "Failed requests since the service started.", fresh_for=120),
    counter("stakewarden_endpoint_disputes_total", "count", "monitor", (ENDPOINT,), "Answers that differed from the majority's since the service started.", fresh_for=120),
    gauge("stakewarden_endpoint_dissent", "bool", "monitor", (ENDPOINT,), "1 if an answer of the endpoint differed from the majority's in the last block.", fresh_for=120),
    gauge("stakewarden_endpoints_agreeing_ratio", "ratio", "monitor", (), "Endpoints with the majority at the last block whose answers are all in, over all configured ones.", fresh_for=120),
    gauge("stakewarden_beacon_node_up", "bool", "monitor", (NODE,), "1 if the beacon node answered lately and is not syncing.", fresh_for=120),
    gauge("stakewarden_beacon_node_lag_slots", "slots", "monitor", (NODE,), "Slots by which the beacon node's head is behind the newest one of any node.", fresh_for=120),
    gauge("stakewarden_beacon_node_dissent", "bool", "monitor", (NODE,), "1 while the beacon node's newest block or state differed from the majority's.", fresh_for=120),
    counter("stakewarden_beacon_node_errors_total", "count", "monitor", (NODE, LabelSpec("kind", "What went wrong.", ("timeout", "connection", "http", "malformed", "too_large", "not_found", "syncing", "wrong_state", "optimistic"))), "Failed requests since the service started.", fresh_for=120),
    gauge("stakewarden_beacon_nodes_agreeing_ratio", "ratio", "monitor", (), "Beacon nodes with the majority at the newest agreed block, over all configured ones; absent without any.", fresh_for=120),
    gauge("stakewarden_beacon_head_age_seconds", "seconds", "monitor", (), "Seconds (wall time) since a new beacon head was agreed; absent without beacon nodes.", fresh_for=120),
    gauge("stakewarden_epochs_behind", "epochs", "monitor", (), "Complete epochs that are not evaluated yet; absent without beacon nodes.", fresh_for=120),
    gauge("stakewarden_keys_incomplete", "bool", "monitor", (PROTOCOL,), "1 while not all keys of the protocol's operators were read: validators of the rest count as unlisted.", fresh_for=120),
    gauge("stakewarden_head_age_seconds", "seconds", "monitor", (), "Seconds since the last agreed head arrived.", fresh_for=120),
    gauge("stakewarden_judge_lag_blocks", "blocks", "monitor", (), "Agreed heads that wait to be judged.", fresh_for=120),
    counter("stakewarden_gap_blocks_total", "count", "monitor", (), "Blocks whose state was never read (outages longer than the endpoints' history).", fresh_for=120),
    Family("stakewarden_state_gap", "event", "count", "monitor", (LabelSpec("first", "Number of the first block of the gap."), LabelSpec("last", "Number of its last block.")), "Blocks were passed over: their state could not be had any more.", visible_for=HOUR),
    Family("stakewarden_chain_lost", "event", "count", "monitor", (LabelSpec("block", "Number of the last block that was judged before."),), "The chain that was judged is gone, deeper than it can be rewound; all is read anew.", visible_for=6 * HOUR),
    counter("stakewarden_reorgs_total", "count", "monitor", (), "Reorganisations seen since the service started.", fresh_for=120),
    gauge("stakewarden_rule_errors", "count", "monitor", (), "Rules that could not be judged at the last block.", fresh_for=120),
    gauge("stakewarden_deliveries_owed", "count", "monitor", (LabelSpec("receiver", "Name of the receiver."),), "Messages that a receiver has not accepted yet.", fresh_for=120),
    gauge("stakewarden_delivery_oldest_seconds", "seconds", "monitor", (LabelSpec("receiver", "Name of the receiver."),), "Age of the oldest message that a receiver has not accepted; 0 when none waits.", fresh_for=120),
    gauge("stakewarden_canary_age_seconds", "seconds", "monitor", (LabelSpec("receiver", "Name of the receiver."),), "Seconds since the receiver accepted a canary; absent before the first, and without canaries.", fresh_for=120),
    gauge("stakewarden_canary_failed", "bool", "monitor", (LabelSpec("receiver", "Name of the receiver."),), "1 while the receiver has not accepted the newest canary in time; absent without canaries.", fresh_for=120),
    gauge("stakewarden_alertmanager_up", "bool", "monitor", (LabelSpec("receiver", "Name of the receiver."), LabelSpec("member", "Host and port of the Alertmanager.")), "1 if this member took the last push; absent before the first.", fresh_for=120),
    gauge("guardian_pause_cause", "count", "monitor", (TARGET, CAUSE, LabelSpec("state", "Whether they fire, or it cannot be told now.", ("firing", "unknown"))), "Alerts for which the target may have been paused, as judged at the block before.", fresh_for=120),
    gauge("guardian_sender_waiting_seconds", "seconds", "monitor", (LabelSpec("account", "The account that pays for submitting orders."),), "Seconds (wall time) for which the next transaction of a sender's account has been sent and not mined; 0 when none waits; unknown without a majority of endpoints.", fresh_for=120),
    gauge("guardian_pause_cause_since_timestamp_seconds", "timestamp", "monitor", (TARGET, CAUSE), "Block time since which there has been such an alert without a break; absent while there is none.", fresh_for=120),
    gauge("guardian_pause_decisions", "count", "monitor", (TARGET, LabelSpec("outcome", "What became of the decision; stuck: people have to pause; needless: the target was paused already; shadowed: the contract only watches; withdrawn: it did not hold any more.", ("shadow", "proposed", "open", "stuck", "verified", "needless", "refused", "shadowed", "withdrawn", "failed"))), "Decisions about pauses in the last 6 hours (block time); absent when there was none.", fresh_for=120),
)  # fmt: skip

PAUSED_BY = LabelSpec(
    "by",
    "Who paused: sentinels or a person through the guardian contract, somebody else, or not known.",
    ("sentinel", "guardian", "other", "unknown"),
)
RESUMER = LabelSpec("account", "Who resumed, EIP-55, where the target's log says it.")
HOLDER = LabelSpec(
    "holder", "Where the log does not say who: the only account that might resume the target at the block before, if there was only one."
)

GUARDIAN = (
    gauge("guardian_ready", "bool", "monitor", (TARGET, LabelSpec("by", "Whose pause: people's or the sentinel's.", ("guardian", "sentinel"))), "1 if a pause of the target would work right now."),
    gauge("guardian_check", "bool", "monitor", (TARGET, LabelSpec("by", "Whose pause.", ("guardian", "sentinel")), LabelSpec("check", "The readiness condition.")), "1 if the condition holds."),
    gauge("guardian_target_paused", "bool", "monitor", (TARGET,), "1 while the target says that it is paused."),
    gauge("guardian_target_shadow", "bool", "monitor", (TARGET,), "1 while the contract only tells of sentinels' orders for the target instead of pausing it."),
    gauge("guardian_heartbeat_seconds", "seconds", "monitor", (TARGET,), "Seconds for which the circuit breaker still takes pauses from the guardian; 0 when that time is over. Only for targets with that lever."),
    gauge("guardian_sentinel_expiry_seconds", "seconds", "monitor", (), "Seconds until the service's sentinel counts no more; 0 when its time is over; absent while it is no sentinel."),
    gauge("guardian_sender_balance_ether", "ether", "monitor", (LabelSpec("account", "The account that pays for submitting orders."),), "Ether of a sender's account, for gas."),
    gauge("guardian_presigned_ready", "bool", "monitor", (LabelSpec("file", "Name of the file, without its ending."),), "1 if a pause that a Safe's owners signed in advance could be sent right now."),
    event("guardian_pause", "governance", (TARGET, LabelSpec("by", "Who paused.", ("guardian", "sentinel"))), "The guardian contract paused a target.", visible_for=6 * HOUR),
    gauge("guardian_pause_left_seconds", "seconds", "monitor", (TARGET, PAUSED_BY), "Seconds until the target's pause ends by itself; absent while it is not paused, and for a pause without an end."),
    gauge("guardian_pause_length_seconds", "seconds", "monitor", (TARGET, PAUSED_BY), "Seconds from the beginning of the target's pause to its end, or from when we first saw it; absent where guardian_pause_left_seconds is."),
    gauge("guardian_pause_ended_timestamp_seconds", "timestamp", "monitor", (TARGET, PAUSED_BY, LabelSpec("how", "By time, or by somebody before its time.", ("lapsed", "resumed")), RESUMER, HOLDER, TX), "Block time at which the target's last pause ended; absent while it is paused, and before the first pause that we saw."),
    event("guardian_resumed", "governance", (TARGET, PAUSED_BY, RESUMER, HOLDER), "Somebody ended a target's pause before its time."),
    event("guardian_pause_moved", "governance", (TARGET, PAUSED_BY, LabelSpec("change", "Where to.", ("shortened", "extended")), RESUMER, HOLDER), "Somebody gave a target's pause another end."),
)  # fmt: skip

SHIPPED = (*ROLES, *ORACLE_FAMILIES, *QUEUE, *ACCOUNTING, *VALIDATORS, *SLASHING, *BEACON, *PEG, *OWN, *GUARDIAN)
