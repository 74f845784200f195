"""Templates of labels and annotations, rendered exactly as Prometheus renders them.

``compile_template`` parses once and finds what cannot work (unknown functions, a ``%d`` for a float, a comparison of
a float with a whole number, which Go refuses); ``Template.render`` is pure. What can fail only with certain values
(a label that is no number) raises RenderError when it is rendered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import re2

from monitor.catalogue.catalogue import nearest
from monitor.rules import go_format as go
from monitor.rules.document import parse_duration
from monitor.rules.go_format import GoValue
from monitor.rules.template_syntax import Choice, Invoke, Literal, Node, Output, Reference, TemplateError, Term, Text, parse

__all__ = ["Context", "RenderError", "Template", "TemplateError", "compile_template"]

MAX_LENGTH = 20_000


class RenderError(ValueError):
    """A value did not fit the function that it was given to."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a template can see: the element's labels (without the metric's name), its value, and the external labels."""

    labels: Mapping[str, str]
    value: float
    external_labels: Mapping[str, str] = field(default_factory=dict)
    external_url: str = ""


@dataclass(frozen=True, slots=True)
class Template:
    """A parsed template. ``text`` is its source; ``constant`` is true when what it renders does not depend on the element."""

    text: str
    nodes: tuple[Node, ...]
    constant: bool

    def render(self, context: Context) -> str:
        """The text for one element. Raises RenderError."""
        return self.text if self.constant else "".join(_render(self.nodes, context))

    def labels_used(self) -> Iterator[Reference]:
        """Every ``$labels.name`` in the template, with its offset."""
        for term in _terms(self.nodes):
            if isinstance(term, Reference) and term.root == "Labels" and term.field is not None:
                yield term


def compile_template(text: str) -> Template:
    """Parses and checks a template. Raises TemplateError with the offset of the fault."""
    if len(text) > MAX_LENGTH:
        raise TemplateError(f"the text has {len(text)} characters", 0, f"at most {MAX_LENGTH}")
    template = Template(text, parse(text) if "{{" in text else (Text(text),), "{{" not in text)
    for node in _actions(template.nodes):
        _kind_of(node)
    return template


# ---------------------------------------------------------------- rendering


def _render(nodes: tuple[Node, ...], context: Context) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, Text):
            yield node.value
        elif isinstance(node, Output):
            yield go.plain(_value(node.term, context))
        else:
            chosen = next((body for condition, body in node.branches if _truth(_value(condition, context))), node.otherwise)
            yield from _render(chosen, context)


def _value(term: Term, context: Context) -> GoValue:
    if isinstance(term, Literal):
        return term.value
    if isinstance(term, Reference):
        return _referenced(term, context)
    if term.function in ("and", "or"):
        return _and_or(term, context)
    return FUNCTIONS[term.function].call(*(_value(a, context) for a in term.arguments))


def _referenced(reference: Reference, context: Context) -> GoValue:
    if reference.root == "Value":
        return float(context.value)
    if reference.root == "ExternalURL":
        return context.external_url
    found = context.labels if reference.root == "Labels" else context.external_labels
    return found if reference.field is None else found.get(reference.field, "")


def _and_or(term: Invoke, context: Context) -> GoValue:
    value: GoValue = False
    for argument in term.arguments:
        value = _value(argument, context)
        if _truth(value) == (term.function == "or"):
            break
    return value


def _truth(value: GoValue) -> bool:
    """Go's truth: not the zero value, not empty. NaN is true."""
    return bool(value)


# ---------------------------------------------------------------- functions


@dataclass(frozen=True, slots=True)
class Function:
    """``most`` None: any number of arguments. ``gives`` is the kind of the result, None when it depends."""

    call: Callable[..., GoValue]
    least: int
    most: int | None
    gives: str | None


def _float(value: GoValue) -> float:
    if isinstance(value, (bool, Mapping)):
        raise RenderError(f"can't convert {go.go_type(value)} to float")
    try:
        return float(value)
    except (ValueError, OverflowError):
        raise RenderError(f'"{value}" is not a number') from None


def _timestamp(value: GoValue) -> str:
    try:
        return go.humanize_timestamp(_float(value))
    except OverflowError:
        raise RenderError(f"{go.plain(value)} is no time") from None


def _same_kind(left: GoValue, right: GoValue) -> None:
    if go.kind(left) != go.kind(right):
        raise RenderError(f"a {go.kind(left)} is compared with a {go.kind(right)}")


def _equal(first: GoValue, *others: GoValue) -> bool:
    for other in others:
        _same_kind(first, other)
    return any(first == other for other in others)


def _not_equal(left: GoValue, right: GoValue) -> bool:
    _same_kind(left, right)
    return left != right


def _ordered(test: Callable[[GoValue, GoValue], bool]) -> Callable[[GoValue, GoValue], bool]:
    def compare(left: GoValue, right: GoValue) -> bool:
        _same_kind(left, right)
        if isinstance(left, (bool, Mapping)):
            raise RenderError(f"a {go.kind(left)} has no order")
        return test(left, right)

    return compare


def _length(value: GoValue) -> int:
    if isinstance(value, str):
        return len(value.encode())
    if isinstance(value, Mapping):
        return len(value)
    raise RenderError(f"a {go.kind(value)} has no length")


def _index(table: GoValue, key: GoValue) -> str:
    if not isinstance(table, Mapping) or not isinstance(key, str):
        raise RenderError("index needs labels and a name")
    return table.get(key, "")


def _text(value: GoValue) -> str:
    if not isinstance(value, str):
        raise RenderError(f"a {go.kind(value)} stands where text is needed")
    return value


def _title(value: GoValue) -> str:
    text = _text(value)
    return "".join(c.upper() if not i or not (text[i - 1].isalnum() or text[i - 1] == "_") else c for i, c in enumerate(text))


def _match(pattern: GoValue, text: GoValue) -> bool:
    return re2.compile(_text(pattern), _QUIET).search(_text(text)) is not None


def _replace_all(pattern: GoValue, replacement: GoValue, text: GoValue) -> str:
    """As Go's ReplaceAllString, with ``$1`` and ``${1}`` for groups."""
    compiled = re2.compile(_text(pattern), _QUIET)
    return str(compiled.sub(lambda m: _expanded(_text(replacement), m), _text(text)))


def _expanded(replacement: str, match: re2._Match) -> str:
    def group(m: re2._Match) -> str:
        name = m.group(1) or m.group(2)
        if m.group(0) == "$$":
            return "$"
        groups = dict(enumerate([match.group(0), *match.groups()]))
        return (groups.get(int(name)) if name.isdigit() else match.groupdict().get(name)) or ""

    return str(_GROUP.sub(group, replacement))


def _seconds(text: GoValue) -> float:
    milliseconds = parse_duration(_text(text))
    if milliseconds is None:
        raise RenderError(f'"{text}" is no duration')
    return milliseconds / 1000


_QUIET = re2.Options()
_QUIET.log_errors = False
_GROUP = re2.compile(r"\$\$|\$(?:\{(\w+)\}|(\w+))")

FUNCTIONS: Mapping[str, Function] = {
    "printf": Function(lambda pattern, *values: go.sprintf(_text(pattern), *values), 1, None, "string"),
    "print": Function(go.sprint, 0, None, "string"),
    "humanize": Function(lambda v: go.humanize(_float(v)), 1, 1, "string"),
    "humanize1024": Function(lambda v: go.humanize_1024(_float(v)), 1, 1, "string"),
    "humanizeDuration": Function(lambda v: go.humanize_duration(_float(v)), 1, 1, "string"),
    "humanizePercentage": Function(lambda v: go.humanize_percentage(_float(v)), 1, 1, "string"),
    "humanizeTimestamp": Function(_timestamp, 1, 1, "string"),
    "eq": Function(_equal, 2, None, "bool"),
    "ne": Function(_not_equal, 2, 2, "bool"),
    # Go says "gt" for "not le": a NaN is greater than everything
    "lt": Function(_ordered(lambda a, b: a < b), 2, 2, "bool"),  # type: ignore[operator]
    "le": Function(_ordered(lambda a, b: a <= b), 2, 2, "bool"),  # type: ignore[operator]
    "gt": Function(_ordered(lambda a, b: not a <= b), 2, 2, "bool"),  # type: ignore[operator]
    "ge": Function(_ordered(lambda a, b: not a < b), 2, 2, "bool"),  # type: ignore[operator]
    "and": Function(lambda *v: v[-1], 1, None, None),
    "or": Function(lambda *v: v[-1], 1, None, None),
    "not": Function(lambda v: not _truth(v), 1, 1, "bool"),
    "len": Function(_length, 1, 1, "int"),
    "index": Function(_index, 2, 2, "string"),
    "title": Function(_title, 1, 1, "string"),
    "toUpper": Function(lambda v: _text(v).upper(), 1, 1, "string"),
    "toLower": Function(lambda v: _text(v).lower(), 1, 1, "string"),
    "match": Function(_match, 2, 2, "bool"),
    "reReplaceAll": Function(_replace_all, 3, 3, "string"),
    "parseDuration": Function(_seconds, 1, 1, "float"),
}
OF_PROMETHEUS = frozenset(
    [
        "query",
        "first",
        "label",
        "value",
        "strvalue",
        "args",
        "safeHtml",
        "graphLink",
        "tableLink",
        "sortByLabel",
        "stripPort",
        "stripDomain",
        "toTime",
        "pathPrefix",
        "externalURL",
        "tmpl",
        "println",
        "html",
        "js",
        "urlquery",
        "call",
        "slice",
    ]
)
"""Functions that Prometheus has and Stakewarden refuses: they query, link to a server, or make HTML."""


# ---------------------------------------------------------------- what can be known before rendering


def _actions(nodes: tuple[Node, ...]) -> Iterator[Term]:
    for node in nodes:
        if isinstance(node, Output):
            yield node.term
        elif isinstance(node, Choice):
            for condition, body in node.branches:
                yield condition
                yield from _actions(body)
            yield from _actions(node.otherwise)


def _terms(nodes: tuple[Node, ...]) -> Iterator[Term]:
    pending = list(_actions(nodes))
    while pending:
        term = pending.pop(0)
        yield term
        if isinstance(term, Invoke):
            pending[:0] = term.arguments


def _kind_of(term: Term) -> str | None:
    """The kind of a term's value as far as it is known before rendering. Raises TemplateError."""
    if isinstance(term, Literal):
        return go.kind(term.value)
    if isinstance(term, Reference):
        if term.field is not None or term.root == "ExternalURL":
            return "string"
        return "float" if term.root == "Value" else "map"
    function = _function(term)
    kinds = [_kind_of(a) for a in term.arguments]
    if term.function == "printf":
        _check_printf(term, kinds)
    elif term.function in ("eq", "ne", "lt", "le", "gt", "ge"):
        _check_comparison(term, kinds)
    elif function.call is not None and term.function.startswith("humanize") and kinds[0] in ("bool", "map"):
        raise TemplateError(f"{term.function} cannot take a {kinds[0]}", term.arguments[0].offset, "a number")
    elif term.function in ("match", "reReplaceAll"):
        _check_pattern(term.arguments[0])
    return function.gives


def _function(term: Invoke) -> Function:
    if term.function in OF_PROMETHEUS:
        raise TemplateError(
            f'the function "{term.function}" of Prometheus is not supported in Stakewarden', term.offset, ", ".join(FUNCTIONS)
        )
    function = FUNCTIONS.get(term.function)
    if function is None:
        raise TemplateError(f'there is no function "{term.function}"', term.offset, None, nearest(term.function, FUNCTIONS))
    count = len(term.arguments)
    if count < function.least or (function.most is not None and count > function.most):
        wanted = f"{function.least}" if function.most == function.least else f"at least {function.least}"
        raise TemplateError(f"{term.function} has {count} arguments", term.offset, wanted)
    return function


def _check_comparison(term: Invoke, kinds: list[str | None]) -> None:
    first = kinds[0]
    for argument, of in zip(term.arguments[1:], kinds[1:], strict=True):
        if first is not None and of is not None and first != of:
            hint = None
            if {first, of} == {"int", "float"}:
                hint = "a number with a point, such as 1.0, beside a float"
            raise TemplateError(f"{term.function} compares a {first} with a {of}", argument.offset, hint or f"a {first}")


def _check_printf(term: Invoke, kinds: list[str | None]) -> None:
    pattern = term.arguments[0]
    if not isinstance(pattern, Literal) or not isinstance(pattern.value, str):
        if kinds[0] not in ("string", None):
            raise TemplateError(f"the format of printf is a {kinds[0]}", pattern.offset, "text")
        return
    found = [d for d in go.directives(pattern.value) if d.verb != "%"]
    if len(found) != len(kinds) - 1:
        raise TemplateError(f'the format "{pattern.value}" takes {len(found)} values and gets {len(kinds) - 1}', pattern.offset)
    for d, of in zip(found, kinds[1:], strict=True):
        if d.verb == "" or "#" in d.flags or d.verb in "*[":
            raise TemplateError(f'"{d.text}" is no format that is supported', pattern.offset, "such as %s, %.2f, %d, %v or %q")
        if of is not None and d.verb not in go.VERBS[of]:
            wanted = {"float": "%.0f, %.2f or %v", "string": "%s or %q"}.get(of, "%v")
            raise TemplateError(f'"{d.text}" does not fit a {of}', pattern.offset, wanted)


def _check_pattern(pattern: Term) -> None:
    if isinstance(pattern, Literal) and isinstance(pattern.value, str):
        try:
            re2.compile(pattern.value, _QUIET)
        except re2.error as error:
            raise TemplateError(f'"{pattern.value}" is no regular expression: {error}', pattern.offset, "RE2 syntax") from None
