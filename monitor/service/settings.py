"""All settings in one file: each room owns its model, this one composes them.

Order of precedence: environment (``STAKEWARDEN_STORE__URL=...``), then the file, then defaults. Unknown keys are refused. An error
names the file, the line, what was found and the nearest valid key; values are never shown, since they may be secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Discriminator, Field, SecretStr, Tag, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict, SettingsError

from monitor.alerts.canary import CanarySettings
from monitor.catalogue.catalogue import nearest
from monitor.chain.settings import NetworkSettings
from monitor.guardian.settings import GuardianSettings
from monitor.model.secret_settings import NoSecret, one_of, secret
from monitor.receivers.alertmanager import AlertmanagerSettings
from monitor.receivers.grafana import GrafanaSettings
from monitor.receivers.heartbeat import HeartbeatSettings
from monitor.receivers.slack import SlackSettings
from monitor.receivers.webhook import WebhookSettings

MIN_TOKEN = 16
TOO_SHORT = f"the token has less than {MIN_TOKEN} characters: take a random one, such as `openssl rand -hex 24` makes"


class BadSettings(Exception):
    """The settings cannot be used; ``problems`` has one line each, with the place and the remedy."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class ProtocolSettings(_Strict):
    """A protocol to watch. Without ``deployment`` the contracts of mainnet that ship with Stakewarden."""

    name: Literal["lido"]
    deployment: Path | None = None


class RulesSettings(_Strict):
    """The risk team's files."""

    dirs: tuple[Path, ...] = (Path("rules/packs"),)
    baseline: Path = Path("rules/policy/baseline.yaml")
    routes: Path = Path("rules/policy/routes.yaml")
    responses: Path = Path("rules/policy/responses.yaml")
    runbooks: Path = Path("docs/runbooks")
    """The folder of the files that a ``runbook_url`` names by a path: the page shows them."""
    keep_seconds: int = Field(default=24 * 3600, ge=60)
    """The longest window that a rule may ask for; frames are held in memory as long as the loaded rules need."""
    max_memory_mib: int = Field(default=1024, ge=16)


class StoreSettings(_Strict):
    """``sqlite:///path`` or ``postgresql://user@host/database``. A password belongs into ``url_file`` or the environment."""

    url: SecretStr | None = None
    url_file: Path | None = None
    raw_days: float = Field(default=7, ge=0.01)
    thinned_days: float = Field(default=90, ge=0.01)
    lease_seconds: float = Field(default=10, ge=1, le=300)
    """How long a dead process keeps others from acting."""

    @model_validator(mode="after")
    def _one_url(self) -> StoreSettings:
        one_of("url", self.url, self.url_file, required=False)
        return self

    @model_validator(mode="after")
    def _thinned_after_raw(self) -> StoreSettings:
        if self.thinned_days < self.raw_days:
            raise ValueError("thinned_days is less than raw_days: thinned frames are what is kept after the raw ones")
        return self

    def location(self) -> str:
        """The URL with its password: for the engine only. Raises BadSettings when the file cannot be read."""
        return _read("store.url", self.url, self.url_file) or "sqlite:///.stakewarden/stakewarden.sqlite3"


class WebSettings(_Strict):
    """Where the page is served. Whoever reaches it can read it: keep it on loopback, or behind a proxy that asks who is there."""

    host: str = "127.0.0.1"
    port: int = Field(default=8787, ge=0, le=65535)
    token: SecretStr | None = None
    """What responders sign in with to acknowledge and silence on the page; without one it is for reading only."""
    token_file: Path | None = None
    public_url: str | None = None
    """Where people reach the page: what messages link to. Without it they link to nothing of ours."""

    @field_validator("public_url")
    @classmethod
    def _address_alone(cls, found: str | None) -> str | None:
        return None if found is None else _origin(found)

    @model_validator(mode="after")
    def _one_token(self) -> WebSettings:
        one_of("token", self.token, self.token_file, required=False)
        if self.token is not None and len(self.token.get_secret_value().strip()) < MIN_TOKEN:
            raise ValueError(TOO_SHORT)
        return self

    def secret(self) -> str | None:
        """The token itself, or None. Raises BadSettings when its file cannot be read or holds too little."""
        found = _read("web.token", self.token, self.token_file)
        if found is not None and len(found) < MIN_TOKEN:
            raise BadSettings([f"web.token_file {self.token_file}: {TOO_SHORT}"])
        return found


_ORIGIN = re.compile(r"https?://(?:[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\.?|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?/?")


def _origin(text: str) -> str:
    """The address without a slash at its end. Raises ValueError, without showing it, for anything but scheme, host and port."""
    found = _ORIGIN.fullmatch(text)
    if found is None or not 0 < int(found[1] or 1) <= 65535:
        raise ValueError("must be scheme, host and port alone, such as https://stakewarden.example: no path, no name and password")
    return text.removesuffix("/")


def _read(setting: str, value: SecretStr | None, file: Path | None) -> str | None:
    try:
        return secret(setting, value, file)
    except NoSecret as wrong:
        raise BadSettings([str(wrong)]) from None


RECEIVER_KINDS: dict[str, type[BaseModel]] = {
    "slack": SlackSettings, "grafana": GrafanaSettings, "alertmanager": AlertmanagerSettings, "webhook": WebhookSettings,
}  # fmt: skip
"""What ``receivers[].kind`` may be. Each model has ``kind`` and ``name``."""


def _kind_of(receiver: Any) -> str:
    """Files from before there were kinds have none: they mean Slack."""
    return str(receiver.get("kind", "slack") if isinstance(receiver, Mapping) else getattr(receiver, "kind", "slack"))


ReceiverSettings = Annotated[
    Annotated[SlackSettings, Tag("slack")]
    | Annotated[GrafanaSettings, Tag("grafana")]
    | Annotated[AlertmanagerSettings, Tag("alertmanager")]
    | Annotated[WebhookSettings, Tag("webhook")],
    Discriminator(_kind_of, custom_error_type="unknown_kind", custom_error_message=f"kind is none of {', '.join(RECEIVER_KINDS)}"),
]


class Settings(BaseSettings):
    """The whole file."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, env_prefix="STAKEWARDEN_", env_nested_delimiter="__"
    )

    network: NetworkSettings
    protocols: tuple[ProtocolSettings, ...] = Field(min_length=1)
    rules: RulesSettings = RulesSettings()
    store: StoreSettings = StoreSettings()
    receivers: tuple[ReceiverSettings, ...] = ()
    guardian: GuardianSettings | None = None
    web: WebSettings = WebSettings()
    heartbeat: HeartbeatSettings | None = None
    canary: CanarySettings | None = None
    oracle_allowance_seconds: int = Field(default=2700, ge=0)
    """How long after its reference time a report may take before it is late (finality, collection, staggered submission)."""

    @model_validator(mode="after")
    def _distinct(self) -> Settings:
        names = [r.name for r in self.receivers]
        if len(set(names)) != len(names):
            raise ValueError("two receivers have the same name: every receiver needs a name of its own")
        return self


def load(path: Path) -> Settings:
    """Read a settings file and the environment over it. Raises BadSettings."""
    body, root = _parsed(path)
    try:
        merged = _over(body, EnvSettingsSource(Settings)())
    except SettingsError as error:  # its text names the field; the value is in its cause
        raise BadSettings([f"environment: {error}: lists and mappings are given as JSON"]) from None
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        found = [dict(e) for e in error.errors(include_url=False, include_input=False)]
        raise BadSettings([_line(path, root, e) for e in found if not _follows(e, found)]) from None


def _parsed(path: Path) -> tuple[dict[str, Any], yaml.Node | None]:
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise BadSettings([f"{path}: there is no such file; start from settings.example.yaml"]) from None
    except (OSError, UnicodeError) as error:
        raise BadSettings([f"{path}: cannot be read ({type(error).__name__})"]) from None
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
        body = yaml.safe_load(text)
        twice = [f"{path}:{key.start_mark.line + 1}: {key.value!r} is written twice" for key in _repeated(root)]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f":{mark.line + 1}:{mark.column + 1}" if mark else ""
        raise BadSettings([f"{path}{place}: not YAML: {_unquoted(getattr(error, 'problem', error))}"]) from None
    except (
        ValueError,
        AttributeError,
        RecursionError,
    ) as error:  # a date that does not exist; a tag that does not fit; an anchor inside itself
        raise BadSettings([f"{path}: a value cannot be read ({_unquoted(error)}): put texts into quotes"]) from None
    if not isinstance(body, dict):
        raise BadSettings([f"{path}: must be a mapping with network, protocols, ..."])
    if twice:
        raise BadSettings(twice)
    return body, root


def _unquoted(said: object) -> str:
    """What YAML says, without the words that it quotes from the file: a secret that begins with ``*`` or ``!`` and stands without quotes would be one."""
    return re.sub(r"""'(?!<)[^'\n]{2,}'|"[^"\n]{2,}\"""", "...", str(said))


def _repeated(root: yaml.Node | None) -> Iterator[yaml.Node]:
    """Keys that a mapping has twice; PyYAML would take the last. An anchor may stand inside itself, so each node is visited once."""
    todo, visited = [root], set[int]()
    while todo:
        node = todo.pop()
        if node is None or id(node) in visited:
            continue
        visited.add(id(node))
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                if key.value in seen:
                    yield key
                seen.add(key.value)
                todo.append(value)
        elif isinstance(node, yaml.SequenceNode):
            todo += node.value


def _over(below: Any, above: Any) -> Any:
    if isinstance(below, Mapping) and isinstance(above, Mapping):
        return {**below, **{k: _over(below.get(k), v) for k, v in above.items()}}
    return above


def _line(path: Path, root: yaml.Node | None, error: dict[str, Any]) -> str:
    """``file:line: where: what``; for an unknown key the nearest known one."""
    parts = [p for p in error["loc"] if not (isinstance(p, str) and p.startswith("function-"))]
    where = [p for i, p in enumerate(parts) if not _is_kind(parts, i)]
    node, depth = _find(root, where)
    place = f"{path}:{node.start_mark.line + 1}" if node is not None else str(path)
    name = ".".join(str(p) for p in where) or "settings"
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "missing":
        message = "is required"
    if error["type"] == "extra_forbidden":
        known = _keys(parts[:-1])
        close = nearest(str(where[-1]), known)
        message = "is not a setting" + (f'; did you mean "{close}"?' if close else f"; known: {', '.join(known)}")
    return f"{place}: {name}: {message}" if depth or where else f"{place}: {message}"


def _follows(error: dict[str, Any], found: list[dict[str, Any]]) -> bool:
    """Whether it is only there because of an error further in: a list is not too short, its only item is wrong."""
    where = error["loc"]
    return any(len(e["loc"]) > len(where) and e["loc"][: len(where)] == where for e in found)


def _find(node: yaml.Node | None, where: list[Any]) -> tuple[yaml.Node | None, int]:
    """The node at a path, or its deepest ancestor that is written."""
    depth = 0
    for part in where:
        found: yaml.Node | None = None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == str(part):
                    found = key if part is where[-1] else value
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            found = node.value[part]
        if found is None:
            break
        node, depth = found, depth + 1
    return node, depth


def _is_kind(parts: list[Any], index: int) -> bool:
    """Whether this part of an error's path is not written in the file, but says of which kind a receiver is."""
    return index == 2 and parts[0] == "receivers" and isinstance(parts[1], int) and parts[2] in RECEIVER_KINDS


def _keys(parts: list[Any]) -> list[str]:
    """The settings that exist at a path, which may say the kind of a receiver."""
    model: Any = Settings
    for index, part in enumerate(parts):
        if isinstance(part, int):
            continue
        if _is_kind(parts, index):
            model = RECEIVER_KINDS[part]
            continue
        field = model.model_fields.get(part) if hasattr(model, "model_fields") else None
        model = _model_of(field.annotation) if field else None
        if model is None:
            return []
    return sorted(model.model_fields)


def _model_of(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in getattr(annotation, "__args__", ()):
        found = _model_of(inner)
        if found is not None:
            return found
    return None
