"""The settings as the pydantic models have them: one row a key, in the words of docs/settings.md."""

from __future__ import annotations

import typing
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from monitor.service.settings import RECEIVER_KINDS, Settings

WORDS = {int: "whole number", float: "number", Decimal: "number", bool: "true or false", str: "text", SecretStr: "secret", Path: "path"}


@dataclass(frozen=True)
class Key:
    """``path`` is the key as written in the page; ``[]`` stands after a list, with the kind of its items where there are several."""

    path: str
    type: str
    default: str
    environment: str
    field: FieldInfo

    @property
    def row(self) -> str:
        """The row of the table without its meaning."""
        return f"| `{self.path}` | {self.type} | {self.default} | {self.environment} |"


def keys(model: type[BaseModel] = Settings, before: str = "") -> Iterator[Key]:
    """Every key of a model and of the models in it, in their order; a section is a key too."""
    for name, field in model.model_fields.items():
        path = before + name
        inner, many = model_in(field.annotation), "tuple" in str(field.annotation)
        yield Key(path, type_of(field, inner, many), default_of(field, inner), environment_of(path), field)
        if path == "receivers":
            for kind, settings in RECEIVER_KINDS.items():
                yield from keys(settings, f"receivers[{kind}].")
        elif inner is not None:
            yield from keys(inner, path + ("[]." if many else "."))


def holds_secret(key: Key) -> bool:
    """Whether it is a secret, or names the file or the environment variable of one."""
    name = key.path.rpartition(".")[2]
    filed = name.endswith("_file") and name not in ("ca_file", "levers_file")
    return "SecretStr" in str(key.field.annotation) or filed or name == "env" or name.endswith("_env")


def model_in(annotation: Any) -> type[BaseModel] | None:
    """The model in an annotation such as ``tuple[Model, ...]`` or ``Model | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for inner in typing.get_args(annotation) if (found := model_in(inner))), None)


def type_of(field: FieldInfo, inner: type[BaseModel] | None, many: bool) -> str:
    if inner is not None:
        return "list of sections" if many else "section"
    args = [a for a in typing.get_args(field.annotation) if a is not type(None)]
    if typing.get_origin(field.annotation) is typing.Literal:
        return " or ".join(f"`{a}`" for a in args)
    if many:
        return "list of paths" if Path in args else "list of secrets" if SecretStr in args else "list of texts"
    if typing.get_origin(field.annotation) is dict:
        return "text to secret"
    plain = field.annotation if isinstance(field.annotation, type) else args[0]
    return WORDS[plain] + "".join(limits(field))


def limits(field: FieldInfo) -> Iterator[str]:
    for one in field.metadata:
        if isinstance(one, Gt):
            yield f", > {one.gt}"
        elif isinstance(one, Ge):
            yield f", >= {one.ge}"
        elif isinstance(one, Le):
            yield f", <= {one.le}"


def default_of(field: FieldInfo, inner: type[BaseModel] | None) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if inner is not None and isinstance(value, BaseModel):
        return "its defaults"
    if value is None or value in ("", (), {}):
        return "none"
    return f"`{plain(value)}`"


def plain(value: Any) -> str:
    """A default as it is written in YAML."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{', '.join(map(plain, value))}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def environment_of(path: str) -> str:
    """The variable of a key; what is in a list is set with the whole list as JSON."""
    variable = "STAKEWARDEN_" + path.split("[")[0].replace(".", "__").upper()
    return f"in `{variable}`" if "[" in path else f"`{variable}`"
