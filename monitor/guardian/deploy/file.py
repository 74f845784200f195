"""Reading a plan's file: every mistake with its key and what to write instead."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from monitor.catalogue.catalogue import nearest
from monitor.guardian.deploy.plan import AdminPlan, CeilingsPlan, DeployPlan, LimitsPlan, ReleaserPlan, SentinelPlan, TargetPlan

_MAX_FILE = 256 * 1024
_MODELS: tuple[type[BaseModel], ...] = (DeployPlan, AdminPlan, CeilingsPlan, SentinelPlan, LimitsPlan, TargetPlan, ReleaserPlan)


class BadPlan(Exception):
    """A plan that cannot be used; ``problems`` has a line for each mistake: the key, what is wrong, and what to write."""

    def __init__(self, source: str, problems: list[str]) -> None:
        super().__init__("\n".join(f"{source}: {p}" for p in problems))
        self.problems = tuple(problems)


class _Loader(yaml.SafeLoader):
    """Everything but true, false and null is text until a model asks for more: YAML takes 0xae… for a number and 2027-05-31 for a date."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if str(key.value) in seen:
                raise yaml.constructor.ConstructorError(problem=f'the key "{key.value}" stands there twice', problem_mark=key.start_mark)
            seen.add(str(key.value))
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in found if tag in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:null")]
    for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def load(path: Path) -> DeployPlan:
    """A plan from its file. Raises BadPlan with all that is wrong."""
    try:
        if path.stat().st_size > _MAX_FILE:
            raise BadPlan(str(path), [f"is larger than {_MAX_FILE} bytes: that is no plan"])
        text = path.read_text("utf-8")
    except (OSError, UnicodeError) as error:
        raise BadPlan(str(path), [f"cannot be read ({type(error).__name__}): check the path"]) from None
    return parse(text, str(path))


def parse(text: str, source: str = "plan") -> DeployPlan:
    """As :func:`load`, for text in memory."""
    try:
        found = yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader with fewer types
    except (yaml.YAMLError, RecursionError, ValueError) as wrong:
        mark: Any = getattr(wrong, "problem_mark", None)
        place = "" if mark is None else f"line {mark.line + 1}: "
        raise BadPlan(source, [f"{place}is not YAML: {getattr(wrong, 'problem', None) or type(wrong).__name__}"]) from None
    if not isinstance(found, dict):
        raise BadPlan(source, ["is no mapping: begin with version: 1, as deploy/guardian.example.yaml does"])
    try:
        return DeployPlan.model_validate(found)
    except ValidationError as wrong:
        raise BadPlan(source, [line for e in wrong.errors() for line in _lines(e)]) from None


def _lines(error: Any) -> Iterator[str]:
    """A key and what to write, for each mistake."""
    key = ".".join(str(p) for p in error["loc"])
    match error["type"]:
        case "missing":
            yield f"{key}: is missing: write it, as deploy/guardian.example.yaml does"
        case "extra_forbidden":
            known = sorted({k for model in _MODELS for k in model.model_fields})
            near = nearest(str(error["loc"][-1]), known)
            yield f"{key}: is no key of a plan" + (f': did you mean "{near}"?' if near else ": take it out")
        case _:
            for line in str(error["msg"]).removeprefix("Value error, ").split("\n"):
                yield f"{key}: {line}" if key else line
