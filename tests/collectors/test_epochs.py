"""What an evaluated epoch and the head become: every family, when it is admitted, and what is not known."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from monitor.catalogue import SHIPPED, Catalogue
from monitor.catalogue.shipped import BEACON, EPOCHS_FRESH, SLASHING, VALIDATORS
from monitor.collectors import beacon_collectors
from monitor.collectors.beacon import Finality, Heads
from monitor.collectors.validators import validators
from monitor.model import BlockStamp, Failed, Frame, Known, Ok, Unanswered, labels
from monitor.model.beacon import BeaconView, Epoch, EpochFacts, Gwei, Loss
from monitor.samples import FrameWindow, Matcher, Selector, Source
from tests.collectors.beacon_state import ETH, SPEC, blocks, digest, facts, group, head, registry, snapshot, stamp
from tests.collectors.lido_state import values

COLLECTOR = validators(["lido"])
NETWORK, LIDO = labels(protocol="ethereum"), labels(protocol="lido")
SLOT = SPEC.last_slot(6)


def view(found: EpochFacts | None, complete: bool = True) -> BeaconView:
    slot = SLOT if found is None else found.slot
    return BeaconView(head(slot + 2), blocks(slot - 2, slot + 2), found, registry(slot, complete=complete))


def fifth(**more: Any) -> EpochFacts:
    return facts(5, digest("b", SLOT, ""), stamp(SLOT), **more)


def judged(seen: BeaconView, known: Known | None = None, at: BlockStamp | None = None) -> tuple[dict[Any, Frame], Known]:
    frames, after = COLLECTOR.judge(snapshot(at or stamp(SLOT + 3), seen), known or {})
    return {frame.scope: frame for frame in frames}, json.loads(json.dumps(after))


def test_every_declared_family_is_emitted_with_its_labels() -> None:
    declared = {f.name: f for f in (*VALIDATORS, *SLASHING, *BEACON)}
    seen, emitted = view(fifth()), set()
    made = beacon_collectors(["lido"], SPEC)
    assert {f.name for c in made for f in c.families} == declared.keys()
    assert sum(len(c.families) for c in made) == len(declared), "each family has one collector"
    for collector in made:
        known: Known = {}
        for number, found in ((0, registry(SLOT)), (1, registry(SLOT + 4, {3: 5, 21: 5}))):
            this = replace(seen, registry=found, epoch=facts(5 + number, digest("b", SLOT + 4 * number, ""), stamp(SLOT + 4 * number)))
            this = replace(this, head=head(SLOT + 6), blocks=blocks(SLOT - 2, SLOT + 6))
            frames, known = collector.judge(snapshot(stamp(SLOT + 6), this), known)
            for series in (s for f in frames for s in (*f.layout.series, *(e.series for e in f.events))):
                emitted.add(series.family)
                allowed = {spec.name: spec.values for spec in declared[series.family].labels}
                assert {k for k, _ in series.labels} <= allowed.keys()
                assert allowed.keys() - {k for k, _ in series.labels} <= {"operator"}
                assert all(allowed[k] is None or v in (allowed[k] or ()) for k, v in series.labels)
            assert all(len(f.layout) < declared[c].max_series for f in frames for c in {s.family for s in f.layout.series})
    assert emitted == declared.keys()


def test_figures_of_one_operator() -> None:
    beta = group(
        active=8, active_effective=Gwei(400 * ETH), ideal=Gwei(0), proposed=None, missed=None, offline={}, balance=Gwei(1_500_000_000)
    )
    groups = {("ethereum", ""): group(), ("lido", ""): group(), ("lido", "beta"): beta}
    frames, _ = judged(view(fifth(groups=groups)))
    found = {k: v for k, v in values(frames[LIDO]).items() if "beta" in k}
    assert found["validators_participation_ratio", "validators", "head", "beta"] == 1
    assert found["validators_participation_ratio", "stake", "target", "beta"] == 288 / 400
    assert found["validators_balance_ether", "beta"] == 1.5
    assert found["validators", "beta", "pending_queued"] == 2 and found["validators", "beta", "exited_slashed"] == 0
    for family in ("validators_proposals", "validators_effectiveness_ratio", "validators_offline", "validators_offline_ratio"):
        assert not [k for k in found if k[0] == family], family
    assert values(frames[LIDO])["validators_effectiveness_ratio",] == 0.9


def test_nobody_active_has_no_ratio() -> None:
    idle = group(
        active=0, active_effective=Gwei(0), timely={d: (0, Gwei(0)) for d in ("source", "target", "head")}, offline={1: (0, Gwei(0))}
    )
    frames, _ = judged(view(fifth(groups={("ethereum", ""): idle, ("lido", ""): idle})))
    assert all("ratio" not in k[0] or k[0] == "validators_effectiveness_ratio" for k in values(frames[NETWORK]))
    assert values(frames[NETWORK])["validators_offline", "1"] == 0


def test_losses_are_shares_of_all_balances() -> None:
    losing = group(slashed=2, loss=Loss(Gwei(ETH), Gwei(2 * ETH), Gwei(3 * ETH)), balance=Gwei(60 * ETH))
    collector = next(c for c in beacon_collectors(["lido"], SPEC) if c.name == "slashing")
    frames, _ = collector.judge(snapshot(stamp(SLOT + 3), view(fifth(groups={("ethereum", ""): losing, ("lido", ""): losing}))), {})
    found = {f.scope: values(f) for f in frames}
    assert found[LIDO]["slashing_loss_ratio",] == 0.1
    assert [found[LIDO]["slashing_loss_ether", part] for part in ("initial", "attestation", "correlation")] == [1, 2, 3]
    assert found[NETWORK]["slashing_network_ratio",] == 0.1 and ("slashing_network_ratio",) not in found[LIDO]


# ---------------------------------------------------------------- when


def test_an_epoch_is_admitted_once_and_then_no_frame_comes() -> None:
    frames, known = judged(view(fifth()))
    assert frames.keys() == {NETWORK, LIDO} and all(isinstance(f.status, Ok) for f in frames.values())
    assert all((f.read_at, f.admitted) == (stamp(SLOT), stamp(SLOT + 3)) for f in frames.values())
    again, after = judged(view(fifth()), known, stamp(SLOT + 4))
    assert again == {} and after == known
    assert judged(view(None), known) == ({}, known)


def test_another_root_replaces_and_an_older_epoch_never_does() -> None:
    _, known = judged(view(fifth()))
    frames, known = judged(view(fifth(total_active=Gwei(1), groups={("ethereum", ""): group(), ("lido", ""): group(active=7)})), known)
    assert frames == {}, "the same root is the same result"
    other = replace(fifth(), root=digest("other"))
    frames, known = judged(view(other), known)
    assert frames.keys() == {NETWORK, LIDO}
    older = facts(4, digest("b", SLOT - 4, ""), stamp(SLOT - 4))
    assert judged(view(older), known) == ({}, known)


def test_what_replaces_an_epoch_is_seen_though_its_block_is_older() -> None:
    _, known = judged(view(fifth()))
    frames, _ = judged(view(replace(fifth(), root=digest("other"), read_at=stamp(SLOT - 1))), known, stamp(SLOT + 4))
    assert {f.read_at for f in frames.values()} == {stamp(SLOT)}
    window = FrameWindow(Catalogue(SHIPPED), [Source(COLLECTOR.name, tuple(f.name for f in COLLECTOR.families), COLLECTOR.scopes)], 0)
    for frame in (*judged(view(fifth()))[0].values(), *frames.values()):
        window.append(frame)
    assert window.instant(Selector("validators_epoch"), stamp(SLOT + 4).timestamp).complete


@pytest.mark.parametrize(
    "at", [stamp(SLOT - 1), stamp(SLOT, branch="other"), replace(stamp(SLOT + 3), timestamp=stamp(SLOT).timestamp - 1)]
)
def test_the_future_and_another_branch_wait(at: BlockStamp) -> None:
    assert judged(view(fifth()), None, at) == ({}, {})


def test_late_facts_are_stale() -> None:
    """They speak for the block that they were read at, however late they are admitted."""
    window = FrameWindow(Catalogue(SHIPPED), [Source(COLLECTOR.name, tuple(f.name for f in COLLECTOR.families), COLLECTOR.scopes)], 0)
    at = replace(stamp(SLOT + 200), timestamp=stamp(SLOT).timestamp + EPOCHS_FRESH + 1)
    for frame in judged(view(fifth()), None, at)[0].values():
        window.append(frame)
    found = window.instant(Selector("validators_epoch"), at.timestamp)
    assert found.values.tolist() == [5] and not found.known.any()


# ---------------------------------------------------------------- keys


def test_incomplete_keys_blind_the_protocol_alone_and_are_made_up_for_in_the_same_epoch() -> None:
    frames, known = judged(view(fifth(), complete=False))
    assert isinstance(frames[NETWORK].status, Ok)
    assert isinstance(frames[LIDO].status, Failed) and "keys of lido" in frames[LIDO].status.reason
    assert judged(view(fifth(), complete=False), known)[0] == {}, "said once"
    frames, known = judged(view(fifth()), known, stamp(SLOT + 4))
    assert frames.keys() == {LIDO} and isinstance(frames[LIDO].status, Ok)
    assert judged(view(fifth()), known)[0] == {}
    assert judged(view(fifth(), complete=False), known)[0] == {}, "what is known is not unlearnt"


def test_incomplete_keys_leave_a_query_of_the_protocol_incomplete() -> None:
    window = FrameWindow(Catalogue(SHIPPED), [Source(COLLECTOR.name, tuple(f.name for f in COLLECTOR.families), COLLECTOR.scopes)], 0)
    for frame in judged(view(fifth(), complete=False))[0].values():
        window.append(frame)
    at = stamp(SLOT + 3).timestamp
    assert window.instant(Selector("validators_active", (Matcher("protocol", "=", "ethereum"),)), at).complete
    assert not window.instant(Selector("validators_active", (Matcher("protocol", "=", "lido"),)), at).complete


def test_a_protocol_without_any_validator_is_a_mistake_not_a_zero() -> None:
    frames, _ = judged(view(fifth(groups={("ethereum", ""): group()})))
    assert isinstance(frames[LIDO].status, Failed) and isinstance(frames[NETWORK].status, Ok)


# ---------------------------------------------------------------- the head


def heads(seen: BeaconView | None, at: BlockStamp) -> dict[Any, float]:
    found: dict[Any, float] = {}
    for collector in (Heads(SPEC), Finality(SPEC)):
        frames, _ = collector.judge(snapshot(at, seen), {})
        found |= values(frames[0])
    return found


def test_the_head_and_its_finality_at_each_block() -> None:
    assert heads(BeaconView(head(41, behind=3)), stamp(43)) == {
        ("beacon_head_slot",): 41,
        ("beacon_head_behind_slots",): 2,
        ("beacon_finality_distance_epochs",): 3,
        ("beacon_justified_distance_epochs",): 2,
    }
    assert heads(BeaconView(head(44)), stamp(43))["beacon_head_behind_slots",] == 0


def test_an_optimistic_head_is_shown_and_claims_nothing() -> None:
    seen = BeaconView(head(41, optimistic=True))
    assert Heads(SPEC).judge(snapshot(stamp(41), seen), {})
    with pytest.raises(Unanswered, match="optimistic"):
        Finality(SPEC).judge(snapshot(stamp(41), seen), {})


@pytest.mark.parametrize(("seen", "why"), [(None, "no majority"), (BeaconView(), "no majority"), (BeaconView(head(46)), "later than")])
def test_without_a_head_of_this_time_nothing_is_known(seen: BeaconView | None, why: str) -> None:
    for collector in (Heads(SPEC), Finality(SPEC)):
        with pytest.raises(Unanswered, match=why):
            collector.judge(snapshot(stamp(41), seen), {})


def test_a_head_far_behind_tells_how_far_and_nothing_else() -> None:
    seen = BeaconView(head(30))
    assert values(Heads(SPEC).judge(snapshot(stamp(41), seen), {})[0][0])["beacon_head_behind_slots",] == 11
    with pytest.raises(Unanswered, match="11 slots behind"):
        Finality(SPEC).judge(snapshot(stamp(41), seen), {})


def test_a_queue_that_takes_nothing_has_no_wait() -> None:
    collector = next(c for c in beacon_collectors([], SPEC) if c.name == "beacon_epoch")
    (frame,), _ = collector.judge(snapshot(stamp(SLOT + 3), view(fifth())), {})
    found = values(frame)
    assert found["beacon_queue_wait_seconds", "entry"] == 600 and ("beacon_queue_wait_seconds", "consolidation") not in found
    assert found["beacon_missed_slots_ratio",] == 0.25 and found["beacon_queue_ether", "entry"] == 64
    assert int(Epoch(5)) == values(judged(view(fifth()))[0][NETWORK])["validators_epoch",]
