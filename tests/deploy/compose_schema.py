"""The part of the Compose specification that our file may use, as a JSON schema of our own. What Compose itself refuses, its linter says (``dclint.json``).

Strict where Compose is lenient: short forms that hide a meaning (unquoted ports, durations without a unit) are refused.
"""

from __future__ import annotations

from typing import Any

NAME = "^[a-z0-9][a-z0-9_-]*$"
DURATION = {"type": "string", "pattern": r"^\d+(ms|s|m|h)$"}
WORDS = {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True}


def closed(required: list[str], **properties: Any) -> dict[str, Any]:
    """An object with these keys and no other."""
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def each(schema: dict[str, Any]) -> dict[str, Any]:
    """A mapping from names to this."""
    return {"type": "object", "patternProperties": {NAME: schema}, "additionalProperties": False}


HEALTHCHECK = closed(
    ["test", "interval", "timeout"],
    test={"type": "array", "items": {"type": "string"}, "minItems": 2, "prefixItems": [{"enum": ["CMD", "CMD-SHELL"]}]},
    interval=DURATION,
    timeout=DURATION,
    retries={"type": "integer", "minimum": 1},
    start_period=DURATION,
)
CONDITIONS = ["service_started", "service_healthy", "service_completed_successfully"]
SERVICE = closed(
    ["restart", "security_opt", "networks", "healthcheck"],
    # A tag is given and is not "latest", which would be another one tomorrow.
    image={"type": "string", "pattern": r"^[a-z0-9./_-]+:(?!latest$)[\w.-]+$"},
    build={"type": "string"},
    depends_on=each(closed(["condition"], condition={"enum": CONDITIONS})),
    environment={"type": "object", "patternProperties": {"^[A-Z][A-Z0-9_]*$": {"type": "string"}}, "additionalProperties": False},
    secrets=WORDS,
    volumes={"type": "array", "items": {"type": "string", "pattern": r"^(\./[\w./-]+:/[\w./-]+:ro|[a-z]+:/[\w./-]+)$"}},
    ports={"type": "array", "items": {"type": "string", "pattern": r"^127\.0\.0\.1:\d+:\d+$"}},
    networks=WORDS,
    healthcheck=HEALTHCHECK,
    user={"type": "string", "pattern": r"^\d+:\d+$"},
    read_only={"type": "boolean"},
    tmpfs=WORDS,
    cap_drop={"const": ["ALL"]},
    security_opt={"const": ["no-new-privileges:true"]},
    init={"type": "boolean"},
    pids_limit={"type": "integer", "minimum": 16},
    shm_size={"type": "string", "pattern": r"^\d+[kmg]$"},
    restart={"enum": ["unless-stopped", "always", "on-failure"]},
    stop_grace_period=DURATION,
)
COMPOSE = closed(
    ["name", "services", "networks", "volumes", "secrets"],
    name={"const": "stakewarden"},
    services=each({**SERVICE, "oneOf": [{"required": ["image"]}, {"required": ["build"]}]}),
    networks=each(closed([], internal={"type": "boolean"})),
    volumes=each(closed([])),
    secrets=each(closed(["file"], file={"type": "string", "pattern": "^\\./deploy/secrets/[a-z_]+$"})),
)
