"""The dashboards that ship: overview, protocol, chain, guardian, and ourselves. What is shown is what the catalogue declares and rules judge.

``stakewarden dashboards push`` and ``dashboards/*.json`` come from here: ``python -m monitor.dashboards`` writes the files anew.
"""

from __future__ import annotations

from functools import partial

from monitor.dashboards.limits import limits
from monitor.dashboards.panels import ALARM, BROKEN, UNITS, YES_NO, Board, Panel, Query, alerts, graph, log, stat, table, timeline
from monitor.rules import RuleSet

P = '{protocol=~"$protocol"}'
ETHER, SECONDS, RATIO, EPOCHS = UNITS["ether"], UNITS["seconds"], UNITS["ratio"], UNITS["epochs"]
Rows = tuple[tuple[str, tuple[Panel, ...]], ...]


def boards(rules: RuleSet) -> tuple[Board, ...]:
    """All dashboards, coloured by the limits of these rules. Raises NoLimit when a rule that they name is gone."""
    return (
        Board("stakewarden-overview", "Stakewarden: overview", "What fires, what was told, and each signal at a glance.", _overview(rules), True),
        Board("stakewarden-protocol", "Stakewarden: protocol", "Roles, oracle, queue, accounting, validators and peg of a protocol.", _protocol(rules), True),
        Board("stakewarden-chain", "Stakewarden: chain", "Finality, participation, slashings and queues of the network.", _chain(rules), False, "24h"),
        Board("stakewarden-guardian", "Stakewarden: guardian", "Whether the brake would work right now, and what was decided.", _guardian(rules), False),
        Board("stakewarden-ourselves", "Stakewarden: ourselves", "What is blind, endpoints, lag, and messages that wait.", _ourselves(rules), False),
    )  # fmt: skip


# ---------------------------------------------------------------- overview


def _overview(rules: RuleSet) -> Rows:
    lim = partial(limits, rules)
    return (
        ("Now", (
            stat("Blind", "sum(stakewarden_blind)", "Scopes without a fresh reading: what they would say is unknown.", steps=ALARM),
            stat("Head", "stakewarden_head_age_seconds", "Since the last agreed head.", unit=SECONDS, steps=lim("stakewarden_head_age_seconds", "NoAgreedHead")),
            stat("Endpoints agree", "stakewarden_endpoints_agreeing_ratio", "Endpoints with the majority, over all configured.", unit=RATIO),
            stat("Finality", 'beacon_finality_distance_epochs{protocol="ethereum"}', "Epochs since the finalized one; 2 is healthy.", unit=EPOCHS,
                 steps=lim("beacon_finality_distance_epochs", "EthereumFinalityLate", "EthereumFinalityStalled")),
            stat("Brake works", "min(guardian_ready)", "Whether every target could be paused right now, by everyone who should be able to.", steps=BROKEN,
                 words=YES_NO),
            stat("Messages wait", "sum(stakewarden_deliveries_owed)", "Messages that a receiver has not accepted yet.", steps=ALARM),
        )),
        ("Alerts", (
            alerts("Alerts", "What fires or waits now, from the rules themselves."),
            log("Told", "Incidents, who took them, pauses and reloads.", ["stakewarden"]),
        )),
        ("Signals", (
            graph("Peg", Query(f"peg_deviation_ratio{P}", "{{protocol}} {{token}}"), "Price over fair value minus 1: below 0 is a discount.", unit=RATIO,
                  decimals=2, steps=lim("peg_deviation_ratio", "LidoPegDiscountNotice", "LidoPegDiscount", "LidoPegDiscountHigh", "LidoPegDiscountCritical",
                                        "LidoPegPremium")),
            graph("Withdrawal queue", (Query(f"queue_unfinalized_ether{P}", "{{protocol}} waits"), Query(f"sum by (protocol) (queue_available_ether{P})",
                  "{{protocol}} available")), "Ether of requests that wait, and ether that a report could use for them now.", unit=ETHER),
            graph("Oracle", Query(f"time() - oracle_report_timestamp_seconds{P}", "{{protocol}} {{oracle}}"), "Age of the last report's data.", unit=SECONDS),
            graph("Validators", Query('validators_participation_ratio{protocol=~"$protocol|ethereum", operator="", duty="target", by="stake"}', "{{protocol}}"),
                  "Share of the stake with a timely vote for the target.", unit=RATIO,
                  steps=lim("validators_participation_ratio", "EthereumParticipationLow", "EthereumParticipationCritical")),
            graph("Slashed", Query('slashing_validators{protocol=~"$protocol|ethereum", operator=""}', "{{protocol}}"),
                  "Slashed validators that are not withdrawable yet.", steps=ALARM),
            graph("Accounting", Query(f"accounting_identity_gap_wei{P}", "{{protocol}} {{identity}}"), "How far the books are off, by identity.",
                  unit=UNITS["wei"], steps=lim("accounting_identity_gap_wei", "LidoAccountingIdentityBroken")),
            timeline("Roles", Query(f"max by (protocol, contract) (role_holders_unapproved{P})", "{{protocol}} {{contract}}"),
                     "Contracts with a role in hands that the baseline does not list.", words=()),
        )),
    )  # fmt: skip


# ---------------------------------------------------------------- a protocol


def _protocol(rules: RuleSet) -> Rows:
    lim = partial(limits, rules)
    return (
        ("Roles and contracts", (
            stat("Holders not approved", f"sum(role_holders_unapproved{P})", "Accounts that hold a role and are not in the baseline.", width=6, steps=ALARM),
            stat("Holders missing", f"sum(role_holders_missing{P})", "Accounts that the baseline lists and the chain does not have.", width=6, steps=ALARM),
            stat("Implementations approved", f"min(contract_implementation_approved{P})", "Whether every proxy runs the code of the baseline.", width=6,
                 steps=BROKEN, words=YES_NO),
            stat("Paused contracts", f"sum(contract_paused{P})", "Contracts that say that they are paused.", width=6, steps=ALARM),
            timeline("Paused", Query(f"contract_paused{P}", "{{protocol}} {{contract}}"), "Each contract over time."),
        )),
        ("Oracle", (
            stat("Report late", f"max(oracle_report_late_seconds{P})", "Since the first outstanding report was due, with the allowance.", width=6, unit=SECONDS,
                 steps=lim("oracle_report_late_seconds", "LidoOracleReportLate")),
            stat("Reports lost", f"max(oracle_reports_lost{P})", "Frames in a row whose report never came.", width=6, steps=ALARM),
            stat("Members", f"min(oracle_members{P})", "Members of the committee.", width=6),
            stat("Variants", f"max(oracle_report_variants{P})", "Different hashes that members reported in this frame.", width=6,
                 steps=lim("oracle_report_variants", "LidoOracleMembersDisagree")),
            graph("Wallets of the members", Query(f"oracle_member_balance_ether{P}", "{{member}}"), "Ether for gas.", unit=ETHER,
                  steps=lim("oracle_member_balance_ether", "LidoOracleMemberLowFunds")),
            graph("Age of the members' last report", Query(f"time() - oracle_member_report_timestamp_seconds{P}", "{{member}}"), "By reference time.",
                  unit=SECONDS),
        )),
        ("Queue", (
            stat("Bunker mode", f"max(queue_bunker_mode{P})", "Whether withdrawals are slowed.", width=6, steps=ALARM, words=YES_NO),
            stat("Coverage", f"min(queue_coverage_ratio{P})", "Available ether over what waits; empty when nobody waits.", width=6, unit=RATIO),
            stat("Oldest request", f"max(time() - queue_oldest_request_timestamp_seconds{P})", "How long the oldest request has waited.", width=6, unit=SECONDS,
                 steps=lim("queue_oldest_request_timestamp_seconds", "LidoQueueOldestRequest")),
            stat("Requests", f"sum(queue_unfinalized_requests{P})", "Requests that are not finalized.", width=6),
            graph("Ether for withdrawals", Query(f"queue_available_ether{P}", "{{protocol}} {{source}}"), "By where it is.", unit=ETHER, stacked=True),
            graph("Unfinalized and claimable", (Query(f"queue_unfinalized_ether{P}", "{{protocol}} waits"), Query(f"queue_claimable_ether{P}",
                  "{{protocol}} claimable")), "Ether that waits, and ether that nobody has claimed yet.", unit=ETHER),
        )),
        ("Accounting", (
            graph("Share rate drift", Query(f"accounting_share_rate_drift_ratio{P}", "{{protocol}}"),
                  "Change of the share rate between reports: it may only change by a report.", unit=RATIO,
                  steps=lim("accounting_share_rate_drift_ratio", "LidoShareRateDrift")),
            graph("APR", (Query(f"accounting_apr_ratio{P}", "{{protocol}} last report"), Query(f"accounting_apr_7d_ratio{P}", "{{protocol}} 7 days")),
                  "After fees, by the protocol's formula.", unit=RATIO, decimals=2, steps=lim("accounting_apr_7d_ratio", "LidoAprOutOfRange")),
            graph("Rebase", (Query(f"accounting_rebase_ratio{P}", "{{protocol}}"), Query(f"accounting_rebase_limit_ratio{P}", "{{protocol}} limit")),
                  "Growth of the share rate by the last report, and what a report may bring.", unit=RATIO, decimals=4),
            graph("Report against the beacon chain", Query(f"accounting_report_balance_gap_ether{P}", "{{protocol}}"),
                  "Validators' balance in the last report minus what we counted.", unit=ETHER),
        )),
        ("Validators", (
            table("Operators: participation", 'sort(validators_participation_ratio{protocol=~"$protocol", operator!="", duty="target", by="stake"})',
                  "Timely votes for the target, the worst first.", unit=RATIO, decimals=2),
            table("Operators: offline", 'sort_desc(validators_offline{protocol=~"$protocol", operator!="", epochs="3"})',
                  "Active validators without a timely vote for three epochs in a row.", steps=ALARM),
            graph("Effectiveness", Query('validators_effectiveness_ratio{protocol=~"$protocol|ethereum", operator=""}', "{{protocol}}"),
                  "Rewards over what perfect attestations had earned.", unit=RATIO),
            graph("By status", Query('sum by (status) (validators{protocol=~"$protocol", operator=""})', "{{status}}"), "Validators by status.", stacked=True),
            graph("Slashing losses", Query('slashing_loss_ether{protocol=~"$protocol", operator=""}', "{{protocol}} {{part}}"),
                  "What slashed validators lose in all, if nobody else is slashed.", unit=ETHER, stacked=True),
            table("Foreign credentials", 'validators_foreign_credentials{protocol=~"$protocol", operator!=""}',
                  "Keys whose withdrawal credentials are not the protocol's.", steps=ALARM),
        )),
        ("Peg", (
            graph("Deviation by venue", Query(f"peg_venue_deviation_ratio{P}", "{{token}} {{venue}}"), "Price over fair value minus 1.", unit=RATIO, decimals=2),
            graph("Spread", Query(f"peg_spread_ratio{P}", "{{token}}"), "Highest minus lowest price of the live venues.", unit=RATIO, decimals=2,
                  steps=lim("peg_spread_ratio", "LidoPegVenuesDisagree")),
            graph("Pool shares", Query(f"peg_pool_share_ratio{P}", "{{token}} {{venue}}"), "The token's part of the pool: above a half it is sold.", unit=RATIO,
                  steps=lim("peg_pool_share_ratio", "LidoPegPoolImbalance")),
            graph("Depth", Query(f"peg_pool_depth_ether{P}", "{{token}} {{venue}}"), "What can be sold at one per cent slippage.", unit=ETHER),
            timeline("Venues that count", Query(f"peg_source_live{P}", "{{token}} {{venue}}"), "Answered, fresh and deep enough.", steps=BROKEN),
        )),
    )  # fmt: skip


# ---------------------------------------------------------------- the network


def _chain(rules: RuleSet) -> Rows:
    lim, e = partial(limits, rules), '{protocol="ethereum"}'
    return (
        ("Finality", (
            stat("Finality", f"beacon_finality_distance_epochs{e}", "Head minus finalized epoch; 2 is healthy.", unit=EPOCHS, width=6,
                 steps=lim("beacon_finality_distance_epochs", "EthereumFinalityLate", "EthereumFinalityStalled")),
            stat("Justification", f"beacon_justified_distance_epochs{e}", "Head minus justified epoch; 1 is healthy.", unit=EPOCHS, width=6,
                 steps=lim("beacon_justified_distance_epochs", "EthereumJustificationLate")),
            stat("Inactivity leak", f"beacon_inactivity_leak{e}", "Whether it applies.", steps=ALARM, words=YES_NO, width=6),
            stat("Head behind", f"beacon_head_behind_slots{e}", "Slots between the beacon head and the judged block.", unit=UNITS["slots"], width=6),
            graph("Distance", (Query(f"beacon_finality_distance_epochs{e}", "finalized"), Query(f"beacon_justified_distance_epochs{e}", "justified")),
                  "Epochs behind the head.", unit=EPOCHS, steps=lim("beacon_finality_distance_epochs", "EthereumFinalityLate", "EthereumFinalityStalled")),
            graph("Missed slots", Query(f"beacon_missed_slots_ratio{e}", "missed"), "Share of the epoch's slots without a block.", unit=RATIO,
                  steps=lim("beacon_missed_slots_ratio", "EthereumMissedSlots")),
        )),
        ("Validators", (
            graph("Participation", Query('validators_participation_ratio{protocol="ethereum", by="stake"}', "{{duty}}"), "Share of the stake with a timely vote.",
                  unit=RATIO, steps=lim("validators_participation_ratio", "EthereumParticipationLow", "EthereumParticipationCritical")),
            graph("By status", Query('validators{protocol="ethereum"}', "{{status}}"), "All validators of the network.", stacked=True),
            graph("Active balance", Query(f"beacon_active_ether{e}", "active"), "Effective balance of all active validators.", unit=ETHER),
            graph("Slashed share", Query(f"slashing_network_ratio{e}", "in the window"), "Of the active balance; from a third on the correlation penalty takes all.",
                  unit=RATIO, decimals=4, steps=lim("slashing_network_ratio", "EthereumSlashedShareHigh")),
        )),
        ("Queues", (
            graph("Ether that waits", Query(f"beacon_queue_ether{e}", "{{queue}}"), "In the network's queues.", unit=ETHER),
            graph("Wait", Query(f"beacon_queue_wait_seconds{e}", "{{queue}}"), "For something that joins now.", unit=SECONDS),
        )),
    )  # fmt: skip


# ---------------------------------------------------------------- the brake


def _guardian(rules: RuleSet) -> Rows:
    lim = partial(limits, rules)
    return (
        ("Would a pause work now?", (
            stat("By people", 'min by (target) (guardian_ready{by="guardian"})', "Whether people with GUARDIAN_ROLE could pause right now.", width=8, steps=BROKEN,
                 words=YES_NO, legend="{{target}}"),
            stat("By the service", 'min by (target) (guardian_ready{by="sentinel"})', "Whether the service's own key could.", width=8, steps=BROKEN, words=YES_NO,
                 legend="{{target}}"),
            stat("Paused", "max by (target) (guardian_target_paused)", "Targets that say that they are paused.", width=8, steps=ALARM, words=YES_NO,
                 legend="{{target}}"),
            timeline("Conditions", Query("guardian_check", "{{target}} {{by}} {{check}}"), "Each condition of a pause that works.", steps=BROKEN, height=10),
        )),
        ("Decisions", (
            graph("Decisions of the last 6 hours", Query("guardian_pause_decisions", "{{target}} {{outcome}}"), "By outcome; shadow ones pause nothing."),
            log("Pauses", "Made, proposed, and those that would have been made.", ["stakewarden", "pause"], height=8),
            graph("Time that is left", (
                Query("guardian_sentinel_expiry_seconds", "our sentinel"), Query("guardian_heartbeat_seconds", "breaker of {{target}}"),
            ), "Until our sentinel's signature counts no more, and until a circuit breaker takes no pause from us.", unit=SECONDS,
                  steps=lim("guardian_sentinel_expiry_seconds", "SentinelExpires")),
            timeline("Signed in advance", Query("guardian_presigned_ready", "{{file}}"), "Pauses that could be sent right now.", width=12, steps=BROKEN),
            graph("Gas of the senders", Query("guardian_sender_balance_ether", "{{account}}"), "Ether of the accounts that submit orders.", unit=ETHER),
            timeline("Paused over time", Query("guardian_target_paused", "{{target}}"), "Each target.", width=12),
            timeline("In shadow", Query("guardian_target_shadow", "{{target}}"), "Targets whose orders are only told.", width=12),
            graph("Nonce of the senders", Query("guardian_sender_waiting_seconds", "{{account}}"), "For how long a sender's next transaction has been sent and not mined.",
                  unit=SECONDS, steps=lim("guardian_sender_waiting_seconds", "SenderStuck")),
        )),
        ("After a pause", (
            graph("Pauses end in", Query("guardian_pause_left_seconds", "{{target}}, paused by {{by}}"), "Until a pause lapses by itself.", unit=SECONDS),
            graph("Causes that have not gone", Query("guardian_pause_cause", "{{target}} {{cause}} {{state}}"),
                  "Alerts for which a target may have been paused: they fire, or it cannot be told."),
        )),
    )  # fmt: skip


# ---------------------------------------------------------------- ourselves


def _ourselves(rules: RuleSet) -> Rows:
    lim = partial(limits, rules)
    return (
        ("Sight", (
            stat("Blocks wait", "stakewarden_judge_lag_blocks", "Agreed heads that wait to be judged.", width=6),
            stat("Rules in error", "stakewarden_rule_errors", "Rules that could not be judged at the last block.", width=6, steps=ALARM),
            stat("Epochs behind", "stakewarden_epochs_behind", "Complete epochs that are not evaluated yet.", width=6),
            stat("Keys incomplete", "max(stakewarden_keys_incomplete)", "Whether keys of operators are still to be read.", width=6, steps=ALARM, words=YES_NO),
            timeline("Blind", Query("stakewarden_blind", "{{collector}} {{protocol}}"), "Collectors without a fresh reading.", height=12),
            graph("Age of readings", Query("stakewarden_frame_age_seconds", "{{collector}} {{protocol}}"), "Of the newest good frame.", unit=SECONDS),
            graph("Failed readings", Query("sum by (collector, status) (increase(stakewarden_frames_failed_total[10m]))", "{{collector}} {{status}}"),
                  "In ten minutes."),
        )),
        ("Execution endpoints", (
            timeline("Up", Query("stakewarden_endpoint_up", "{{endpoint}}"), "Answered the last block's reads in time.", steps=BROKEN, width=12, height=6),
            timeline("Dissent", Query("stakewarden_endpoint_dissent", "{{endpoint}}"), "An answer differed from the majority's.", width=12, height=6),
            graph("Lag", Query("stakewarden_endpoint_lag_blocks", "{{endpoint}}"), "Blocks behind the agreed head.", unit=UNITS["blocks"],
                  steps=lim("stakewarden_endpoint_lag_blocks", "EndpointLagging")),
            graph("Errors", Query("sum by (endpoint, kind) (increase(stakewarden_endpoint_errors_total[10m]))", "{{endpoint}} {{kind}}"), "In ten minutes."),
        )),
        ("Beacon nodes", (
            timeline("Up", Query("stakewarden_beacon_node_up", "{{node}}"), "Answered lately and is not syncing.", steps=BROKEN, width=12, height=6),
            timeline("Dissent", Query("stakewarden_beacon_node_dissent", "{{node}}"), "Its newest block or state differed from the majority's.", width=12, height=6),
            graph("Lag", Query("stakewarden_beacon_node_lag_slots", "{{node}}"), "Slots behind the newest head of any node.", unit=UNITS["slots"]),
            graph("Errors", Query("sum by (node, kind) (increase(stakewarden_beacon_node_errors_total[10m]))", "{{node}} {{kind}}"), "In ten minutes."),
        )),
        ("Messages and chain", (
            graph("Messages that wait", Query("stakewarden_deliveries_owed", "{{receiver}}"), "By receiver."),
            graph("Oldest message", Query("stakewarden_delivery_oldest_seconds", "{{receiver}}"), "How long it has waited.", unit=SECONDS),
            graph("Reorganisations", Query("increase(stakewarden_reorgs_total[1h])", "in an hour"), "Seen since the service started."),
            log("Rules taken", "When other rules were taken, and which files changed.", ["stakewarden", "reload"], height=8),
        )),
    )  # fmt: skip
