"""What Slack refuses: arguments, blocks, metadata. Pure; the limits are those of Slack's documentation.

The argument names, types and scopes come from ``slack_methods.json`` beside this file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

METHODS: Mapping[str, Any] = json.loads(resources.files("monitor.devnet").joinpath("slack_methods.json").read_text("utf-8"))["methods"]

TEXT_MAX = 40_000
UPDATE_TEXT_MAX = 4_000
BLOCKS_MAX = 50
BLOCKS_TEXT_MAX = 12_000
METADATA_MAX = 1_000
STRUCTURED = ("blocks", "attachments", "metadata")
TS = re.compile(r"\d{1,12}\.\d{6}")


class SlackError(Exception):
    """An answer with ``ok: false``: Slack's code, and what goes beside it."""

    def __init__(self, code: str, **more: Any) -> None:
        super().__init__(code)
        self.code, self.more = code, more


def bad_arguments(*messages: str) -> SlackError:
    return SlackError("invalid_arguments", response_metadata={"messages": [f"[ERROR] {m}" for m in messages]})


def arguments(method: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments with their types checked and texts of other types read. Raises SlackError as Slack would answer."""
    declared = METHODS[method]["args"]
    unknown = sorted(set(given) - set(declared))
    if unknown:
        raise bad_arguments(*(f"no such argument: {name}" for name in unknown))
    missing = [name for name, spec in declared.items() if spec["required"] and not given.get(name)]
    if missing:
        raise bad_arguments(*(f"missing required field: {name}" for name in missing))
    return {name: _value(name, declared[name]["type"], value) for name, value in given.items() if value is not None}


def _value(name: str, types: Sequence[str], value: Any) -> Any:
    if name in STRUCTURED:
        return _structured(name, value)
    if types == ["boolean"]:
        found = {"1": True, "true": True, "0": False, "false": False}.get(str(value).lower())
        if found is None:
            raise bad_arguments(f"must be a boolean [json-pointer:/{name}]")
        return found
    if types == ["number"]:
        if not re.fullmatch(r"\d{1,6}", str(value)):
            raise bad_arguments(f"must be a number [json-pointer:/{name}]")
        return int(value)
    if "string" in types and not isinstance(value, str):
        raise bad_arguments(f"must be a string [json-pointer:/{name}]")
    return value


def _structured(name: str, value: Any) -> Any:
    """Objects come as JSON in a JSON body, or as JSON text."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise SlackError("invalid_metadata_format" if name == "metadata" else "invalid_blocks_format") from None
    if not isinstance(value, dict if name == "metadata" else list):
        raise SlackError("invalid_metadata_format" if name == "metadata" else "invalid_blocks_format")
    return value


# ---------------------------------------------------------------- metadata


def check_metadata(metadata: Mapping[str, Any]) -> None:
    """Raises SlackError for metadata that Slack does not take."""
    if set(metadata) != {"event_type", "event_payload"} or not isinstance(metadata["event_payload"], dict):
        raise SlackError("invalid_metadata_format")
    if not isinstance(metadata["event_type"], str) or not re.fullmatch(r"[a-z0-9_]{1,255}", metadata["event_type"]):
        raise SlackError("invalid_metadata_format")
    if any(
        value is None or (isinstance(value, list) and not all(isinstance(v, dict) for v in value))
        for value in metadata["event_payload"].values()
    ):
        raise SlackError("invalid_metadata_schema")
    if len(json.dumps(metadata)) > METADATA_MAX:
        raise SlackError("metadata_too_large")


# ---------------------------------------------------------------- blocks


def check_blocks(blocks: Sequence[Any]) -> None:
    """Raises SlackError with a JSON pointer for each fault, as Slack does."""
    if len(blocks) > BLOCKS_MAX:
        raise SlackError("invalid_blocks", errors=[f"no more than {BLOCKS_MAX} items allowed [json-pointer:/blocks]"])
    faults: list[str] = []
    for index, block in enumerate(blocks):
        _block(block, f"/blocks/{index}", faults)
    ids = [b["block_id"] for b in blocks if isinstance(b, dict) and b.get("block_id")]
    faults += ["block_id must be unique [json-pointer:/blocks]"] if len(ids) != len(set(ids)) else []
    if faults:
        raise SlackError("invalid_blocks", errors=faults, response_metadata={"messages": [f"[ERROR] {f}" for f in faults]})
    if _text_length(blocks) > BLOCKS_TEXT_MAX:
        raise SlackError("msg_blocks_too_long")


_BLOCK_KEYS = {
    "header": {"text"},
    "section": {"text", "fields", "accessory", "expand"},
    "divider": set[str](),
    "context": {"elements"},
    "actions": {"elements"},
}


def _block(block: Any, at: str, faults: list[str]) -> None:
    kind = block.get("type") if isinstance(block, dict) else None
    if kind not in _BLOCK_KEYS:
        faults.append(f"unsupported type: {kind} [json-pointer:{at}/type]")
        return
    faults += [f"unknown field {key} [json-pointer:{at}/{key}]" for key in sorted(set(block) - _BLOCK_KEYS[kind] - {"type", "block_id"})]
    if not isinstance(block.get("block_id", ""), str) or len(block.get("block_id", "")) > 255:
        faults.append(f"must be less than 256 characters [json-pointer:{at}/block_id]")
    if kind == "header":
        _text(block.get("text"), f"{at}/text", 150, ("plain_text",), faults)
    elif kind == "section":
        _section(block, at, faults)
    elif kind in ("context", "actions"):
        _elements(block, at, 10 if kind == "context" else 25, faults)


def _section(block: Mapping[str, Any], at: str, faults: list[str]) -> None:
    if "text" not in block and "fields" not in block:
        faults.append(f"missing required field: text [json-pointer:{at}]")
    if "text" in block:
        _text(block["text"], f"{at}/text", 3000, ("plain_text", "mrkdwn"), faults)
    fields = block.get("fields", [])
    if not isinstance(fields, list) or len(fields) > 10 or ("fields" in block and not fields):
        faults.append(f"must have 1 to 10 items [json-pointer:{at}/fields]")
        return
    for index, item in enumerate(fields):
        _text(item, f"{at}/fields/{index}", 2000, ("plain_text", "mrkdwn"), faults)


def _elements(block: Mapping[str, Any], at: str, most: int, faults: list[str]) -> None:
    elements = block.get("elements")
    if not isinstance(elements, list) or not 1 <= len(elements) <= most:
        faults.append(f"must have 1 to {most} items [json-pointer:{at}/elements]")
        return
    for index, item in enumerate(elements):
        where = f"{at}/elements/{index}"
        if block["type"] == "context":
            _text(item, where, 3000, ("plain_text", "mrkdwn"), faults)
        else:
            _button(item, where, faults)


def _button(item: Any, at: str, faults: list[str]) -> None:
    if not isinstance(item, dict) or item.get("type") != "button":
        faults.append(f"unsupported type [json-pointer:{at}/type]")
        return
    _text(item.get("text"), f"{at}/text", 75, ("plain_text",), faults)
    for key, most in (("action_id", 255), ("value", 2000), ("url", 3000)):
        if not isinstance(item.get(key, ""), str) or len(item.get(key, "")) > most:
            faults.append(f"must be less than {most + 1} characters [json-pointer:{at}/{key}]")
    if item.get("style", "primary") not in ("primary", "danger"):
        faults.append(f"must be primary or danger [json-pointer:{at}/style]")


def _text(text: Any, at: str, most: int, kinds: Sequence[str], faults: list[str]) -> None:
    if not isinstance(text, dict) or text.get("type") not in kinds:
        faults.append(f"must be a text object of type {' or '.join(kinds)} [json-pointer:{at}]")
        return
    allowed = {"type", "text", "emoji"} if text["type"] == "plain_text" else {"type", "text", "verbatim"}
    faults += [f"unknown field {key} [json-pointer:{at}/{key}]" for key in sorted(set(text) - allowed)]
    said = text.get("text")
    if not isinstance(said, str) or not said:
        faults.append(f"must be more than 0 characters [json-pointer:{at}/text]")
    elif utf16_length(said) > most:
        faults.append(f"must be less than {most + 1} characters [json-pointer:{at}/text]")
    elif text["type"] == "mrkdwn" and (fault := mrkdwn_fault(said)):
        faults.append(f"{fault} [json-pointer:{at}/text]")


def mrkdwn_fault(text: str) -> str | None:
    """Stricter than Slack, which would show a broken entity as it is: here it is always a bug of the sender."""
    if re.search(r"&(?!amp;|lt;|gt;)", text):
        return "an ampersand that is not escaped, or half an entity"
    for link in re.findall(r"<([^<>]*)>", text):
        if not re.fullmatch(r"https?://[^|\s]+(\|[^|]+)?|[@#][A-Z0-9]+|!(here|subteam\^[A-Z0-9]+|date\^.+)", link):
            return "a link or mention that is none"
    return "an angle bracket that is not escaped" if re.search(r"[<>]", re.sub(r"<[^<>]*>", "", text)) else None


def utf16_length(text: str) -> int:
    """Characters as JavaScript and Slack's editor count them."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _text_length(value: Any) -> int:
    if isinstance(value, dict):
        return sum(len(v) if k == "text" and isinstance(v, str) else _text_length(v) for k, v in value.items())
    return sum(_text_length(v) for v in value) if isinstance(value, list) else 0
