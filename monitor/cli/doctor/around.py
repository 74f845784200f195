"""What is around the service: its database, its receivers, its heartbeat, and whether it runs."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlmodel import col

from monitor.chain.tls import authorities
from monitor.cli.doctor.finding import Finding, note, ok, wrong
from monitor.cli.run import missing_file
from monitor.model import Refused
from monitor.model.secret_settings import NoSecret
from monitor.receivers.heartbeat import HeartbeatSettings
from monitor.service.build import CheckedReceiver
from monitor.service.settings import Settings, StoreSettings, WebSettings
from monitor.store import Store, StoreError, Unit, migrations
from monitor.store.errors import said
from monitor.store.lease import database_time
from monitor.store.tables.journal import JournalRow
from monitor.store.tables.lease import LeaseRow

FREE_BYTES = 2 << 30
WHOLE_BYTES = 1 << 30
"""A larger SQLite file is not read whole here: ``db check`` does that."""
CLOCK_SECONDS = 2.0


def database(settings: StoreSettings) -> list[Finding]:
    """Lines for the schema, what was judged last, the disk or the server's clock. Makes no file. Raises BadSettings for an unreadable url_file."""
    url = settings.location()
    try:
        if (file := missing_file(url)) is not None:
            writable = os.access(file.absolute().parent, os.W_OK)
            made = note("database", f"{file} is not there yet: `stakewarden run` makes it")
            return [made if writable else wrong("database", f"{file} cannot be made", "let this user write into its folder"), *_disk(file)]
        with Store.open(url) as store:
            found = [_schema(store)]
            if found[0].state == "ok":
                with store.read() as unit:
                    found += _state(unit, store.engine.dialect.name)
            database = store.engine.url.database
            return [*found, *(_disk(Path(database)) if store.engine.dialect.name == "sqlite" and database else ())]
    except StoreError as error:
        return [wrong("database", f"{error.where}: {error.what}", error.remedy)]
    except DBAPIError as error:
        return [wrong("database", said(error), "`stakewarden db check` tells more")]


def _schema(store: Store) -> Finding:
    what, name = "database", store.engine.dialect.name
    small = name != "sqlite" or Path(str(store.engine.url.database)).stat().st_size < WHOLE_BYTES
    with store.engine.connect() as conn:
        at, head = migrations.current(conn), migrations.head()
    if at != head:
        known = at is None or migrations.is_known(at)
        remedy = (
            "`stakewarden run` or `stakewarden db migrate` brings it up; make a backup first"
            if known
            else "run the newer version of Stakewarden"
        )
        return (note if at is None else wrong)(what, f"its schema is at revision {at or 'none'}, this version works with {head}", remedy)
    if problems := store.check() if small else []:
        return wrong(
            what, f"{len(problems)} problems: {problems[0]}", "`stakewarden db check` lists all; restore a backup if it is damaged"
        )
    return ok(what, f"{store.where}, schema {head}" + ("" if small else "; not read whole: `stakewarden db check` does"))


def _state(unit: Unit, dialect: str) -> list[Finding]:
    found: list[Finding] = []
    now = database_time(unit)
    if dialect == "postgresql":
        apart = float(unit.conn.execute(select(now)).scalar_one()) - time.time()
        if abs(apart) > CLOCK_SECONDS:
            found.append(wrong("database's clock", f"it is {apart:+.1f} s from ours", "turn on time synchronisation on both machines"))
    held = unit.conn.execute(select(col(LeaseRow.owner)).where(col(LeaseRow.expires_at) > now, col(LeaseRow.owner) != "")).scalars().first()
    last = unit.conn.execute(
        select(col(JournalRow.number), col(JournalRow.judged_at))
        .where(col(JournalRow.kind) == "block")
        .order_by(col(JournalRow.seq).desc())
        .limit(1)
    ).first()
    count = unit.conn.execute(select(func.count()).select_from(JournalRow)).scalar_one()
    said = (
        "nothing was judged yet"
        if last is None
        else f"block {last.number} was judged {_ago(time.time() - last.judged_at)} ago, {count} entries in the journal"
    )
    acting = f"{':'.join(held.split(':')[:2])} acts" if held else "no process acts"
    return [*found, ok("journal", f"{said}; {acting}")]


def _ago(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 60:.0f} min" if seconds < 36_000 else f"{seconds / 86_400:.1f} days"


def _disk(file: Path) -> list[Finding]:
    free = shutil.disk_usage(file.absolute().parent).free
    said = f"{free / 2**30:.1f} GiB are free beside the database"
    return [
        ok("disk", said)
        if free > FREE_BYTES
        else wrong("disk", said, "make room: a full disk stops judging; lower store.raw_days, or move it")
    ]


async def receivers(made: tuple[CheckedReceiver, ...]) -> list[Finding]:
    """A line for each receiver: would it take a message? None is sent."""
    if not made:
        return [wrong("receivers", "none are configured: nobody is told anything", "add receivers")]
    return [finding for found in await asyncio.gather(*map(_receiver, made)) for finding in found]


async def _receiver(receiver: CheckedReceiver) -> list[Finding]:
    what = f"receiver {getattr(receiver, 'name', '')}"
    try:
        async with asyncio.timeout(60):
            said = await receiver.check()
    except Refused as error:
        return [wrong(what, error.reason, error.remedy)]
    except Exception as error:  # a receiver's own failure is a finding, whatever it is
        return [wrong(what, f"cannot be reached ({type(error).__name__})", "see that its address is right and can be reached from here")]
    known = ", ".join(f"{k} {v}" for k, v in said.items() if isinstance(v, str) and v)
    return [ok(what, f"takes messages{f' ({known})' if known else ''}"), *(note(what, str(w)) for w in said.get("warnings", ()))]


async def heartbeat(settings: HeartbeatSettings | None) -> Finding:
    """Only whether its host can be reached: a ping would say that we live."""
    what = "heartbeat"
    if settings is None:
        return note(what, "none is configured: nobody is told when Stakewarden itself is dead", "set heartbeat.url")
    try:
        address = urlsplit(settings.address())
    except NoSecret as error:
        return wrong(what, error.reason, error.remedy)
    try:
        async with asyncio.timeout(settings.timeout_seconds):
            _, writer = await asyncio.open_connection(address.hostname, address.port or (443 if address.scheme == "https" else 80))
            writer.close()
            await writer.wait_closed()
    except (OSError, TimeoutError) as error:
        return wrong(what, f"its host cannot be reached ({type(error).__name__})", "check heartbeat.url and the way out of this machine")
    return ok(what, "its host can be reached; no ping was sent, since that would say that we live")


async def service(settings: WebSettings, chain_id: int) -> Finding:
    """Whether it runs here, by its own ``/readyz``, and is not one that watches another network."""
    what = "service"
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::", "") else settings.host  # noqa: S104 (read, not bound)
    url = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}/readyz"
    try:
        async with httpx.AsyncClient(trust_env=False, verify=authorities(), timeout=5) as client:
            answer = await client.get(url)
            watched = (await client.get(url.removesuffix("readyz") + "api/status")).json()["network"]
    except (httpx.HTTPError, OSError):
        return note(what, f"does not run here: nothing answers at {url}")
    except (ValueError, TypeError, KeyError):
        return wrong(what, f"something else answers at {url}", "end it, or set web.port to a free port")
    if watched != f"chain {chain_id}":
        return wrong(
            what, f"the one that answers at {url} watches another network ({str(watched)[:60]})", "end it, or set web.port to a free port"
        )
    if answer.status_code == 200:
        return ok(what, f"runs and is ready, at {url}")
    first = (answer.text.strip().splitlines() or ["no reason"])[0][:160]
    return wrong(
        what, f"answers {answer.status_code} at {url}: {first}", "its page tells what is wrong; docs/runbooks/stakewarden.md what to do"
    )


async def page(settings: WebSettings) -> Finding:
    """Whether what messages link to is reached from here. Whoever stands before it may ask who we are: that is an answer too."""
    what = "web.public_url"
    if settings.public_url is None:
        return note(
            what, "is not set: messages link neither to the incident nor to its runbook", "set it to where responders reach the page"
        )
    try:
        async with httpx.AsyncClient(trust_env=False, verify=authorities(), timeout=5) as client:
            answer = await client.get(f"{settings.public_url.rstrip('/')}/healthz")
    except (httpx.HTTPError, OSError) as error:
        remedy = "responders may reach it all the same; open the link of a message from where they are"
        return note(what, f"{settings.public_url} cannot be reached from here ({type(error).__name__})", remedy)
    if answer.status_code == 404 or answer.status_code >= 500:
        return wrong(
            what, f"{settings.public_url} answers {answer.status_code}, not as the page does", "correct it, or the proxy before the page"
        )
    asks = "" if answer.status_code == 200 else f" ({answer.status_code}: something before the page asks who is there)"
    return ok(what, f"messages link to {settings.public_url}, which answers{asks}")


async def around(settings: Settings, made: tuple[CheckedReceiver, ...]) -> list[Finding]:
    """All of this module."""
    kept = await asyncio.to_thread(database, settings.store)
    told, beat, runs, linked = await asyncio.gather(
        receivers(made), heartbeat(settings.heartbeat), service(settings.web, settings.network.chain_id), page(settings.web)
    )
    return [*told, beat, *kept, runs, linked]
