"""Which call of which Safe pauses a thing that has a name: from the declared levers and what the chain says of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from monitor.guardian import contract as guardian
from monitor.guardian.aim import typed_address
from monitor.guardian.contract import PauseImpossible
from monitor.guardian.levers import breaker, flags, roles
from monitor.guardian.levers.declared import BreakerLever, Declarations, Declared, FlagsLever, NoLever, RoleLever
from monitor.guardian.levers.own import own_names
from monitor.guardian.levers.people import Party, holders, parties, party
from monitor.guardian.levers.reader import Reader, Unknown
from monitor.guardian.safe.batch import Batchers, Part, packed, same_code
from monitor.guardian.safe.transaction import CALL, DELEGATECALL
from monitor.guardian.settings import GuardianSettings, TargetSettings
from monitor.model import Address


@dataclass(frozen=True, slots=True)
class Choice:
    """What the person chose beside the name. ``flags``: bits; None for all. ``safe``: whose transaction, where the chain leaves a choice."""

    flags: tuple[int, ...] | None = ()
    heartbeat: bool = False
    seconds: int | None = None
    safe: Address | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A call that a Safe is to make. ``words``: what it does; ``warnings``: what to know before."""

    safe: Address
    to: Address
    data: bytes
    words: str
    warnings: tuple[str, ...] = ()
    operation: int = CALL


@dataclass(frozen=True)
class Planner:
    """Makes plans from what is declared, what the settings have, and what the chain says at the reader's block."""

    reader: Reader
    declarations: Declarations
    settings: GuardianSettings | None = None

    @property
    def names(self) -> Mapping[Address, str]:
        return {**self.declarations.names(), **(own_names(self.settings) if self.settings else {})}

    async def plan(self, name: str, choice: Choice) -> Plan:
        """The call that pauses ``name``. Raises PauseImpossible with the reason, and what can be done instead."""
        if self.settings is not None and (own := self._target(name)) is not None:
            return await self._own(self.settings, own, choice)
        found = self.declarations.find(name)
        if found is None:
            raise PauseImpossible(self._unheard(name))
        protocol, lever = found
        return await self._declared(f"{protocol}/{lever.contract}", lever, choice)

    async def plan_all(self, names: Sequence[str], choice: Choice, batchers: Batchers) -> Plan:
        """One transaction that pauses all of these: through our guardian one call of its own, else a batch of calls, all or nothing.

        Raises PauseImpossible, also when they are not one Safe's.
        """
        if len(names) == 1:
            return await self.plan(names[0], choice)
        plans = [await self.plan(name, choice) for name in names]
        by_safe = {plan.safe: name for plan, name in zip(plans, names, strict=True)}
        if len(by_safe) > 1:
            whose = ", ".join(f"{name}: {safe}" for safe, name in by_safe.items())
            raise PauseImpossible(f"they are not one Safe's, so they are several transactions ({whose}): prepare them one by one")
        if len({(p.to, p.data) for p in plans}) < len(plans):
            raise PauseImpossible("the same call twice: name each target once")
        words = "; ".join(p.words for p in plans)
        warnings = tuple(dict.fromkeys(w for p in plans for w in p.warnings))
        own = [target.where for name in names if (target := self._target(name)) is not None]
        if self.settings is not None and len(own) == len(names):
            return Plan(plans[0].safe, self.settings.where, guardian.PAUSE_TARGETS.call(tuple(own)).data, words, warnings)
        warnings += ("all or nothing: if one of the calls fails, none is made",)
        data = packed([Part(p.to, p.data) for p in plans])
        return Plan(plans[0].safe, await self._batcher(batchers), data, words, warnings, DELEGATECALL)

    async def _batcher(self, batchers: Batchers) -> Address:
        """The first contract that makes several calls and is what it should be on this chain."""
        wrong = []
        for where in batchers:
            code = await self.reader.code(where)
            if isinstance(code, Unknown):
                raise PauseImpossible(f"the code of {where} cannot be told: {code}; prepare the pauses one by one")
            if (why := same_code(where, code, batchers)) is None:
                return where
            wrong.append(why)
        raise PauseImpossible(f"no MultiSendCallOnly is on this chain ({'; '.join(wrong)}): prepare the pauses one by one")

    def _target(self, name: str) -> TargetSettings | None:
        """Our guardian's target of that name or address. Raises PauseImpossible for a mistyped address."""
        own = self.settings.targets if self.settings is not None else ()
        if name[:2].lower() == "0x":
            where = typed_address(name)
            return next((t for t in own if t.where == where), None)
        return next((t for t in own if t.name == name), None)

    async def _declared(self, name: str, lever: Declared, choice: Choice) -> Plan:
        match lever:
            case BreakerLever():
                return await self._breaker(name, lever, choice)
            case RoleLever():
                return await self._role(name, lever, choice)
            case FlagsLever():
                return await self._flags(name, lever, choice)
            case NoLever():
                raise PauseImpossible(f"{name} has no lever. Who can act: {lever.who}. How: {lever.how}. See `guardian levers`")
        raise PauseImpossible(f"any one guardian pauses {name} alone, without a Safe: `guardian levers` prints the call")

    async def _own(self, settings: GuardianSettings, target: TargetSettings, choice: Choice) -> Plan:
        people = await self.reader.ask(settings.where, guardian.ROLE_MEMBERS, guardian.GUARDIAN_ROLE)
        safe = await self._safe(people, choice, "GUARDIAN_ROLE of the guardian")
        lasts = "for the admin's duration; it lapses by itself" if target.lever != "pause" else "until somebody lifts it"
        data = guardian.pause_calldata(target.where)
        return Plan(safe, settings.where, data, f"the guardian pauses {target.name} ({target.where}) {lasts}")

    async def _breaker(self, name: str, lever: BreakerLever, choice: Choice) -> Plan:
        pauser, seconds = (
            await self.reader.ask(lever.breaker, breaker.PAUSER, lever.where),
            await self.reader.ask(lever.breaker, breaker.DURATION),
        )
        if choice.heartbeat:
            safe = choice.safe or _known(pauser)
            return Plan(
                safe, lever.breaker, breaker.HEARTBEAT.call().data, f"the pauser of {name} proves that it is alive; nothing is paused"
            )
        if choice.safe is None and _known(pauser) == "0x" + "0" * 40:
            raise PauseImpossible(f"nobody may pause {name} through the CircuitBreaker: its admin must register a pauser")
        lasts = f"for {seconds} s" if isinstance(seconds, int) else "for the CircuitBreaker's duration"
        once = "one shot: afterwards nobody can pause it through the CircuitBreaker until its admin registers a pauser again"
        words = f"the CircuitBreaker pauses {name} ({lever.where}) {lasts}; it lapses by itself"
        return Plan(
            choice.safe or _known(pauser), lever.breaker, breaker.PAUSE.call(lever.where).data, words, (once, f"cost: {lever.cost}")
        )

    async def _role(self, name: str, lever: RoleLever, choice: Choice) -> Plan:
        held = await holders(self.reader, lever.where, lever.role_getter, [Address(c) for c in lever.candidates])
        safe = await self._safe(held, choice, f"the right to pause {name}")
        data, words = roles.pause_call(lever, name, choice.seconds)
        warnings = [f"cost: {lever.cost}"]
        if lever.call != "pause()":
            resumers = await holders(self.reader, lever.where, lever.resume_getter, ()) if lever.resume_getter else ()
            if resumers == ():
                warnings.append("nobody holds the right to resume it: it ends with its time and not before")
        return Plan(safe, lever.where, data, words, tuple(warnings))

    async def _flags(self, name: str, lever: FlagsLever, choice: Choice) -> Plan:
        current, registry = await self.reader.ask(lever.where, flags.PAUSED), await self.reader.ask(lever.where, flags.REGISTRY)
        if isinstance(registry, Unknown):
            raise PauseImpossible(f"who may pause {name} cannot be told: {registry}")
        candidates = [Address(c) for c in lever.candidates]
        able = [c for c in candidates if await self.reader.ask(Address(registry), flags.IS_PAUSER, c) is True]
        safe = await self._safe(tuple(able), choice, f"the right to pause {name}", first=True)
        warnings = ("it does not lapse: only the unpauser clears a flag", f"cost: {lever.cost}")
        if choice.flags is None:
            return Plan(safe, lever.where, flags.PAUSE_ALL.call().data, f"all flags of {name} ({lever.where}) are set", warnings)
        if isinstance(current, Unknown):
            raise PauseImpossible(
                f"the flags of {name} that are set now cannot be told, so none may be added: {current}; or give --all-flags"
            )
        if unheard := [bit for bit in choice.flags if bit not in lever.flags]:
            raise PauseImpossible(f"{name} has no flag {unheard[0]}; {_flags_of(lever)}")
        if not choice.flags:
            raise PauseImpossible(f"say which flags: --flag N, or --all-flags; {_flags_of(lever)}")
        new = flags.with_flags(current, choice.flags)
        stops = "; ".join(f"{bit}: {lever.flags[bit]}" for bit in sorted(set(choice.flags)))
        kept = ", ".join(map(str, flags.bits(current))) or "none"
        words = f"flags of {name} ({lever.where}) are set ({stops}); kept as set: {kept}"
        return Plan(safe, lever.where, flags.PAUSE.call(new).data, words, warnings)

    async def _safe(self, held: Sequence[Address] | Unknown, choice: Choice, what: str, *, first: bool = False) -> Address:
        """The one Safe among the holders, or the one that was chosen."""
        if choice.safe is not None:
            return choice.safe
        if isinstance(held, Unknown):
            raise PauseImpossible(f"who holds {what} cannot be told ({held.why}): name the Safe with --safe")
        safes = [p for p in await parties(self.reader, held, self.names) if p.kind == "Safe"]
        if not safes:
            raise PauseImpossible(f"no Safe holds {what}: name one with --safe")
        if len(safes) > 1 and not first:
            raise PauseImpossible(f"several Safes hold {what}, name one with --safe: {', '.join(p.address for p in safes)}")
        return safes[0].address

    def _unheard(self, name: str) -> str:
        known = [f"{p.protocol}/{lever.contract}" for p in self.declarations.protocols for lever in p.levers]
        known += [t.name for t in self.settings.targets] if self.settings else []
        twice = [k for k in known if k.endswith(f"/{name}")]
        near = ", ".join(twice or _near(name, known)) or "`guardian levers` lists them"
        return f'nothing is named "{name}"; {near}' if known else "no lever is declared for this network: give --levers or --settings"

    async def who(self, address: Address) -> Party:
        return await party(self.reader, address, self.names)


def _known(pauser: Address | Unknown) -> Address:
    if isinstance(pauser, Unknown):
        raise PauseImpossible(f"who may pause it cannot be told: {pauser}; name the Safe with --safe")
    return pauser


def _flags_of(lever: FlagsLever) -> str:
    return "its flags: " + "; ".join(f"{bit} {stops}" for bit, stops in sorted(lever.flags.items()))


def _near(name: str, known: Collection[str]) -> list[str]:
    from difflib import get_close_matches

    return get_close_matches(name, [*known, *(k.split("/")[-1] for k in known)], 3)
