"""What a value lacks to be what a JSON Schema says: the part of the language that the devnet's stand-ins need, and not a keyword more.

Objects are closed: a property that the schema does not name is a fault, since it would be a slip of the sender that the real server
silently ignores.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "null": (type(None),),
}
_SAYING = {"type", "$ref", "properties", "required", "items", "additionalProperties", "enum", "pattern", "minLength", "maxLength"}
_SILENT = {"description", "deprecated", "format"}


def faults(value: Any, schema: Mapping[str, Any], definitions: Mapping[str, Any], at: str = "") -> Iterator[str]:
    """Each thing that is wrong, with its JSON pointer. Raises ValueError for a schema that says more than is understood here."""
    unknown = set(schema) - _SAYING - _SILENT
    if unknown:
        raise ValueError(f"the schema at {at or '/'} has {', '.join(sorted(unknown))}, which is not understood")
    if "$ref" in schema:
        yield from faults(value, definitions[schema["$ref"].rsplit("/", 1)[1]], definitions, at)
    kind = schema.get("type")
    if kind is not None and not _is_a(value, kind):
        yield f"{at or '/'} must be of type {kind}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{at or '/'} must be one of {', '.join(map(str, schema['enum']))}"
    if isinstance(value, dict):
        yield from _object(value, schema, definitions, at)
    elif isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from faults(item, schema["items"], definitions, f"{at}/{index}")
    elif isinstance(value, str):
        yield from _string(value, schema, at)


def _is_a(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[kind])


def _object(value: Mapping[str, Any], schema: Mapping[str, Any], definitions: Mapping[str, Any], at: str) -> Iterator[str]:
    properties = schema.get("properties", {})
    for name in schema.get("required", ()):
        if name not in value:
            yield f"{at}/{name} is missing"
    others = schema.get("additionalProperties", "properties" not in schema)
    for name, item in value.items():
        if name in properties:
            yield from faults(item, properties[name], definitions, f"{at}/{name}")
        elif isinstance(others, Mapping):
            yield from faults(item, others, definitions, f"{at}/{name}")
        elif not others:
            yield f"{at}/{name} is not known"


def _string(value: str, schema: Mapping[str, Any], at: str) -> Iterator[str]:
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{at or '/'} must match {schema['pattern']}"
    if not schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)):
        yield f"{at or '/'} has a wrong length"
