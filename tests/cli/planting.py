"""Settings with a canary of its own in every secret, wherever it stands: in place, in a file, in an environment variable.

Which settings carry something is found by walking the settings' models; nobody lists them. A file that is no secret (rules, routes, certificates)
has a canary too, in a comment: what a person writes there besides what it is for is nobody's business either.
"""

from __future__ import annotations

import json
import re
import subprocess
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args

import certifi
import yaml
from eth_account import Account
from pydantic import BaseModel

from monitor.guardian.safe.document import Document, Prepared
from monitor.guardian.safe.transaction import SafeTransaction
from monitor.model import Address
from monitor.protocols.abi import selector
from monitor.service.settings import RECEIVER_KINDS
from tests.cli.conftest import ROOT, plain
from tests.docs.settings_keys import holds_secret, keys

CANARY = "canary5ecret"
Way = Literal["place", "files", "variables", "keyfile", "remote"]
WAYS: tuple[Way, ...] = get_args(Way)
"""Sources that exclude one another are tried in different ways; ``keyfile`` and ``remote`` differ from ``place`` in the guardian's keys alone."""
NEEDED = {"slack": {"channel": "C0123456789"}}
"""What a kind of receiver requires besides its secrets and its address."""


CARRIERS = sorted(k.path for k in keys() if holds_secret(k) or "Path" in str(k.field.annotation))
"""All settings that hold a secret, or name an environment variable or a file, of whatever kind."""


PACK = """
groups:
  - name: test
    rules:
      - alert: AlwaysSo
        expr: stakewarden_head_age_seconds >= 0
        labels: {severity: page, zone: monitor}
        annotations: {summary: It is so, description: So it is., runbook_url: none, stakewarden_owner: tests, stakewarden_reason: a test}
"""


class Plant:
    """A settings file. ``planted``: the secret by the setting's path; ``variables``: what the environment must hold; ``filled``: all that carry a canary."""

    def __init__(self, folder: Path, echo: str, database: str, way: Way = "place") -> None:
        """``echo``: address of a server for everything; ``database``: a URL without a password, whose server asks for none."""
        self.folder, self.echo, self.database, self.way = folder, echo, database, way
        self.planted: dict[str, str] = {}
        self.filled: set[str] = set()
        self.variables: dict[str, str] = {}
        body = plain(folder)
        body["network"]["execution"] = self._nodes("network.execution[]", ws=True)
        body["network"]["beacon"] = self._nodes("network.beacon[]")
        body["network"] |= {"request_seconds": 1, "beacon_request_seconds": 1}
        body["receivers"] = [r for kind, model in RECEIVER_KINDS.items() for r in self._receivers(kind, model)]
        body["rules"] = self._rules(body["receivers"])
        body["protocols"] = [
            {"name": "lido", "deployment": self._document("protocols[].deployment", ROOT / "monitor/protocols/lido/mainnet.yaml")}
        ]
        body["store"] = self._one("store", "url", self._database(database, "store.url_file" if way == "files" else "store.url"))
        body["heartbeat"] = self._one("heartbeat", "url", self._url("heartbeat.url_file" if way == "files" else "heartbeat.url"))
        body["heartbeat"]["every_seconds"] = 0.5
        body["web"] = self._one("web", "token", self.token) | {"port": 0}
        body["guardian"] = self._guardian()
        if way == "variables":
            for section, key in (("network", "execution"), ("network", "beacon"), ("store", "url"), ("heartbeat", "url"), ("web", "token")):
                value = body[section].pop(key)
                self.variables[f"STAKEWARDEN_{section}__{key}".upper()] = value if isinstance(value, str) else json.dumps(value)
            self.variables["STAKEWARDEN_RECEIVERS"] = json.dumps(body.pop("receivers"))
        self.body = body
        self.path = self.write(body)

    def write(self, body: Any, name: str = "settings.yaml") -> Path:
        return self.file(name, body if isinstance(body, str) else yaml.safe_dump(body, sort_keys=False))

    def file(self, name: str, content: str) -> Path:
        path = self.folder / re.sub(r"[^\w.]+", "_", name)
        path.write_text(content + "\n")
        return path

    @property
    def token(self) -> str:
        """What people sign in with."""
        return self._text("web.token_file" if self.way == "files" else "web.token")

    def leaks(self, text: str) -> list[str]:
        """Where a secret shows: the surroundings of each."""
        sent = [b64encode(f"user:{v}".encode()).decode()[:24] for v in self.planted.values()]  # as a name and password go over the wire
        words = [CANARY, CANARY.encode().hex(), *self.planted.values(), *sent]  # PostgreSQL shows bytes in hex
        return [text[max(0, m.start() - 120) : m.end() + 20] for w in words for m in re.finditer(re.escape(w), text)]

    # ---------------------------------------------------------------- sections

    def _nodes(self, where: str, ws: bool = False) -> list[dict[str, Any]]:
        """Three: secrets in place, in files, and nobody there."""
        bearer = {"Authorization": f"Bearer {self._text(f'{where}.headers')}"}
        first = {"name": "one", "url": self._url(f"{where}.url"), "headers": bearer}
        second = {"name": "two", "url_file": self._filed(f"{where}.url_file", self._url(f"{where}.url_file"))}
        if ws:
            first["ws_url"] = self._url(f"{where}.ws_url", "ws")
            second["ws_url_file"] = self._filed(f"{where}.ws_url_file", self._url(f"{where}.ws_url_file", "ws"))
        return [first, second, {"name": "three", "url": f"http://{CANARY}-user:{CANARY}-pass@127.0.0.1:1/{CANARY}"}]

    def _receivers(self, kind: str, model: type[BaseModel]) -> Iterator[dict[str, Any]]:
        """One with the secrets in place, one with those that can be in files."""
        fields, here = model.model_fields, f"receivers[{kind}]"
        address = {"base_url": f"{self.echo}/"} if "base_url" in fields else {}
        if "url" in fields and f"{here}.url" not in CARRIERS:
            address = {"url": self.echo}
        for filed in (False, True):
            made: dict[str, Any] = {"kind": kind, "name": f"{kind}-{'files' if filed else 'place'}", **NEEDED.get(kind, {}), **address}
            for name in (n for n in fields if f"{here}.{n}" in CARRIERS):
                key = f"{here}.{name}"
                if name == "ca_file":
                    first = Path(certifi.where()).read_text().partition("-----END CERTIFICATE-----")
                    made[name] = str(self._commented(key, "ca.pem", first[0] + first[1]))
                elif name.endswith("_file"):
                    made |= {name: self._filed(key, self._value(name.removesuffix("_file"), key, kind))} if filed else {}
                elif not (filed and f"{name}_file" in fields) and (filed or name != "proxy"):
                    value = self._value(name, key, kind)
                    made[name] = [value] if name == "urls" else value
            yield made

    def _value(self, name: str, where: str, kind: str) -> str:
        if name in ("url", "proxy"):
            return self._url(where)
        if name == "urls":
            text = self._text(where)  # base addresses: what is secret is in name and password, or in the path before /api
            return f"http://user:{text}@{self.echo.removeprefix('http://')}/{text}"
        if name in ("token", "secret"):
            return {"slack": "xoxb-", "grafana": "glsa_"}.get(kind, "") + self._text(where)
        raise AssertionError(f"{where} is a secret that this test does not plant: teach it how")

    def _rules(self, receivers: list[dict[str, Any]]) -> dict[str, Any]:
        policy, packs, runbooks = ROOT / "rules/policy", self.folder / "packs", self.folder / "runbooks"
        packs.mkdir(exist_ok=True)
        runbooks.mkdir(exist_ok=True)
        self._commented("rules.runbooks", "runbooks/notes.md", "No rule names this file.")
        self._commented("rules.dirs", "packs/test.yaml", PACK)
        routes = {"route": {"receiver": [r["name"] for r in receivers], "group_by": ["alertname"], "group_wait": "0s"}}
        return {
            "dirs": [str(packs)],
            "runbooks": str(runbooks),
            "baseline": self._document("rules.baseline", policy / "baseline.yaml"),
            "responses": str(self._commented("rules.responses", "responses.yaml", "responses: []")),
            "routes": str(self._commented("rules.routes", "routes.yaml", yaml.safe_dump(routes))),
        }

    def _one(self, section: str, name: str, value: str) -> dict[str, Any]:
        """A secret in place, or in its file."""
        return {f"{name}_file": self._filed(f"{section}.{name}_file", value)} if self.way == "files" else {name: value}

    def _guardian(self) -> dict[str, Any]:
        ends = self._nodes("guardian.submission[]", ws=True)
        levers = "network: 1\nprotocols: []\n"
        return {
            "contract": "0x" + "11" * 20,
            "targets": [{"name": "vault", "address": "0x" + "22" * 20}],
            "sentinel": self._key("guardian.sentinel", "7"),
            "senders": [self._key("guardian.senders[]", "6")],
            "peers": [
                {
                    "name": "bravo",
                    "url": self._url("guardian.peers[].url"),
                    **self._one("guardian.peers[]", "token", self._text(self._of("guardian.peers[].token"))),
                }
            ],
            "submission": [{**end, "name": f"relay-{end['name']}"} for end in ends],
            "levers_file": str(self._commented("guardian.levers_file", "levers.yaml", levers)),
            "presigned": [self._presigned("guardian.presigned")],
            **self._one("guardian", "orders_token", self._text(self._of("guardian.orders_token"))),
        }

    def _presigned(self, where: str) -> str:
        """A Safe's pause that nobody signed yet; why it was made is its people's own matter."""
        pause = SafeTransaction(31337, Address("0x" + "33" * 20), 0, Address("0x" + "22" * 20), selector("pause()"))
        then = Prepared(1, 1_700_000_000, (Address("0x" + "44" * 20),), 1, "1.4.1")
        return self._filed(where, Document(pause, then, "pauses", self._text(where), None, {}).as_json())

    def _of(self, where: str) -> str:
        """The setting that carries a secret that may be in a file."""
        return f"{where}_file" if self.way == "files" else where

    def _key(self, where: str, digit: str) -> dict[str, Any]:
        """A key of the guardian's, from another source each way."""
        secret = b"c0ffee5ecret".hex().rjust(64, digit)
        key = f"0x{secret}"
        if self.way == "remote":  # it is not here at all
            return {"remote": self._remote(f"{where}.remote", key)}
        self.planted[f"the key of {where}"] = secret
        if self.way == "variables":
            return {"env": self._variable(f"{where}.env", key)}
        if self.way == "keyfile":
            return {"key_file": self._filed(f"{where}.key_file", key)}
        password = self._text(f"{where}.password_file" if self.way == "files" else f"{where}.password_env")
        sealed = Account.encrypt(key, password, kdf="pbkdf2", iterations=2)
        self.planted[f"{where}.keystore_file"] = sealed["crypto"]["ciphertext"]
        store = {"keystore_file": self._filed(f"{where}.keystore_file", json.dumps(sealed))}
        if self.way == "files":
            return store | {"password_file": self._filed(f"{where}.password_file", password)}
        return store | {"password_env": self._variable(f"{where}.password_env", password)}

    def _remote(self, where: str, key: str) -> dict[str, Any]:
        """A web3signer, with certificates whose files carry a canary in a comment."""
        key_file, certificate = self.folder / "made-key.pem", self.folder / "made.pem"
        made = "req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -subj /CN=here -days 2"
        subprocess.run(["openssl", *made.split(), "-keyout", str(key_file), "-out", str(certificate)], check=True, capture_output=True)
        return {
            "url": f"{self.echo}/{self._text(f'{where}.url')}",
            "public_key": Account.from_key(key)._key_obj.public_key.to_hex(),
            "ca_file": str(self._commented(f"{where}.ca_file", f"{where}-ca.pem", certificate.read_text())),
            "client_cert_file": str(self._commented(f"{where}.client_cert_file", f"{where}-client.pem", certificate.read_text())),
            "client_key_file": str(self._commented(f"{where}.client_key_file", f"{where}-key.pem", key_file.read_text())),
        }

    def _database(self, url: str, where: str) -> str:
        """With a password, which the server does not ask for. A SQLite file has none."""
        scheme, _, rest = url.partition("://")
        return url if scheme == "sqlite" else f"{scheme}://{rest.replace('@', f':{self._text(where)}@', 1)}"

    # ---------------------------------------------------------------- canaries

    def _text(self, where: str) -> str:
        self.filled.add(where)
        return self.planted.setdefault(where, f"{CANARY}-{re.sub(r'[^a-z]+', '-', where)}-{len(self.planted)}")

    def _url(self, where: str, scheme: str = "http") -> str:
        text = self._text(where)
        return f"{scheme}://user:{text}@{self.echo.removeprefix('http://')}/{text}/v3?key={text}"

    def _filed(self, where: str, content: str) -> str:
        self.filled.add(where)
        return str(self.file(where, content))

    def _variable(self, where: str, value: str) -> str:
        self.filled.add(where)
        name = re.sub(r"\W", "_", where).upper()
        self.variables[name] = value
        return name

    def _document(self, where: str, original: Path) -> str:
        return str(self._commented(where, original.name, original.read_text()))

    def _commented(self, where: str, name: str, content: str) -> Path:
        self.filled.add(where)
        path = self.folder / name
        path.write_text(f"# {CANARY}-{re.sub(r'[^a-z]+', '-', where)}\n{content}\n")
        return path
