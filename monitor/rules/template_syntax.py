"""The grammar of templates: text with ``{{ actions }}``, read once at load into frozen nodes that know their offsets.

A subset of Go's text/template: output, pipelines, ``if``/``else if``/``else``/``end``, comments and whitespace trimming.
What else Go has (variables, range, with, template) is refused by name rather than printed wrongly.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from monitor.catalogue.catalogue import nearest


class TemplateError(ValueError):
    """A template that cannot be used: ``offset`` is the character at which the fault stands."""

    def __init__(self, message: str, offset: int, expected: str | None = None, nearest: str | None = None) -> None:
        super().__init__(message)
        self.message, self.offset, self.expected, self.nearest = message, offset, expected, nearest


@dataclass(frozen=True, slots=True)
class Literal:
    value: str | float | int | bool
    offset: int


@dataclass(frozen=True, slots=True)
class Reference:
    """``root`` is one of Labels, Value, ExternalLabels, ExternalURL; ``field`` is the label, if one is chosen."""

    root: str
    field: str | None
    offset: int


@dataclass(frozen=True, slots=True)
class Invoke:
    """A function with its arguments; the value of a pipe comes last."""

    function: str
    arguments: tuple[Term, ...]
    offset: int


Term = Literal | Reference | Invoke


@dataclass(frozen=True, slots=True)
class Text:
    value: str


@dataclass(frozen=True, slots=True)
class Output:
    term: Term


@dataclass(frozen=True, slots=True)
class Choice:
    """The first branch whose condition holds, else ``otherwise``."""

    branches: tuple[tuple[Term, tuple[Node, ...]], ...]
    otherwise: tuple[Node, ...]


Node = Text | Output | Choice

ROOTS = {"labels": "Labels", "value": "Value", "externalLabels": "ExternalLabels", "externalURL": "ExternalURL"}
KEYWORDS = ("if", "else", "end")
_REFUSED = ("range", "with", "define", "template", "block", "break", "continue")
_MAX_DEPTH = 50

_TOKEN = re.compile(
    r"""(?P<space>\s+)
      | (?P<string>"(?:[^"\\\n]|\\.)*")
      | (?P<raw>`[^`]*`)
      | (?P<number>[+-]?(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?))(?![A-Za-z0-9_.])
      | (?P<reference>\$?(?:[A-Za-z_][A-Za-z0-9_]*)?(?:\.[A-Za-z_][A-Za-z0-9_]*)+|\$(?:[A-Za-z_][A-Za-z0-9_]*)?)
      | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<mark>:=|=|\||\(|\)|,|\.)""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str
    offset: int


@dataclass(frozen=True, slots=True)
class _Piece:
    """Text, or an action's tokens (then ``text`` is empty)."""

    text: str
    tokens: tuple[Token, ...] | None
    offset: int


def parse(text: str) -> tuple[Node, ...]:
    """The nodes of a template. Raises TemplateError."""
    return _Tree(_pieces(text), len(text)).whole()


# ---------------------------------------------------------------- pieces and tokens


def _pieces(text: str) -> list[_Piece]:
    found: list[_Piece] = []
    at, trim = 0, False
    while (start := text.find("{{", at)) >= 0:
        end, inner = _action_end(text, start)
        chunk = text[at:start]
        chunk = chunk.lstrip() if trim else chunk
        left = text[start + 2 : start + 3] == "-" and text[start + 3 : start + 4].isspace()
        trim = text[end - 3 : end - 2] == "-" and text[end - 4 : end - 3].isspace()
        found.append(_Piece(chunk.rstrip() if left else chunk, None, at))
        if inner is not None:
            found.append(_Piece("", tuple(_tokens(text, *inner)), start))
        at = end
    tail = text[at:]
    found.append(_Piece(tail.lstrip() if trim else tail, None, at))
    return found


def _action_end(text: str, start: int) -> tuple[int, tuple[int, int] | None]:
    """The offset after ``}}``, and where the action's content is; a comment has none."""
    inner = start + 2
    if text[inner : inner + 1] == "-" and text[inner + 1 : inner + 2].isspace():
        inner += 2
    if text.startswith("/*", inner):
        close = text.find("*/", inner + 2)
        match = re.compile(r"(?:\s-)?\}\}").match(text, close + 2) if close >= 0 else None
        if match is None:
            raise TemplateError("the comment is not closed", start, '"*/}}"')
        return match.end(), None
    at = inner
    while at < len(text):
        if text.startswith("}}", at):
            stop = at - 1 if text[at - 1] == "-" and text[at - 2 : at - 1].isspace() and at - 2 >= inner - 1 else at
            return at + 2, (inner, max(stop, inner))
        match = _TOKEN.match(text, at) if text[at] in '"`' else None
        at = match.end() if match else at + 1
    raise TemplateError('the action "{{" is not closed', start, '"}}"')


def _tokens(text: str, start: int, end: int) -> list[Token]:
    found = []
    at = start
    while at < end:
        match = _TOKEN.match(text, at, end)
        if match is None:
            raise TemplateError(f'"{text[at]}" has no meaning here', at, "a value, a function, or a pipe")
        if match.lastgroup != "space":
            found.append(Token(str(match.lastgroup), match.group(), at))
        at = match.end()
    return found


# ---------------------------------------------------------------- the tree


class _Tree:
    def __init__(self, pieces: Sequence[_Piece], end: int) -> None:
        self.pieces, self.at, self.end, self.depth = pieces, 0, end, 0

    def whole(self) -> tuple[Node, ...]:
        nodes, stop = self._nodes()
        if stop is not None:
            raise TemplateError(f'"{stop.text}" without an "if"', stop.offset)
        return nodes

    def _nodes(self) -> tuple[tuple[Node, ...], Token | None]:
        """Nodes up to an ``else`` or ``end`` of the enclosing ``if`` (whose piece stays current), or to the end."""
        nodes: list[Node] = []
        while self.at < len(self.pieces):
            piece = self.pieces[self.at]
            if piece.tokens is None:
                self.at += 1
                if piece.text:
                    nodes.append(Text(piece.text))
                continue
            if not piece.tokens:
                raise TemplateError("the action is empty", piece.offset, "a value")
            first = piece.tokens[0]
            if first.text in ("else", "end"):
                return tuple(nodes), first
            self.at += 1
            nodes.append(self._choice(piece) if first.text == "if" else Output(_term(piece.tokens, piece.offset)))
        return tuple(nodes), None

    def _choice(self, piece: _Piece) -> Choice:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise TemplateError(f'"if" is nested more than {_MAX_DEPTH} times', piece.offset)
        branches = []
        assert piece.tokens is not None
        condition = _term(piece.tokens[1:], piece.offset)
        while True:
            nodes, stop = self._nodes()
            if stop is None:
                raise TemplateError('this "if" is never closed', piece.offset, '"{{ end }}"')
            branches.append((condition, nodes))
            tokens = self.pieces[self.at].tokens or ()
            self.at += 1
            if stop.text == "end":
                _nothing_after(tokens[1:])
                otherwise: tuple[Node, ...] = ()
                break
            if len(tokens) > 1 and tokens[1].text == "if":
                condition = _term(tokens[2:], stop.offset)
                continue
            _nothing_after(tokens[1:])
            otherwise = self._last_branch(piece)
            break
        self.depth -= 1
        return Choice(tuple(branches), otherwise)

    def _last_branch(self, piece: _Piece) -> tuple[Node, ...]:
        nodes, stop = self._nodes()
        if stop is None:
            raise TemplateError('this "if" is never closed', piece.offset, '"{{ end }}"')
        if stop.text != "end":
            raise TemplateError('a second "else"', stop.offset, '"{{ end }}"')
        _nothing_after((self.pieces[self.at].tokens or ())[1:])
        self.at += 1
        return nodes


def _nothing_after(tokens: Sequence[Token]) -> None:
    if tokens:
        raise TemplateError(f'unexpected "{tokens[0].text}"', tokens[0].offset, '"}}"')


# ---------------------------------------------------------------- pipelines


def _term(tokens: Sequence[Token], offset: int) -> Term:
    term, rest = _pipeline(tokens, offset, 0)
    if rest:
        raise TemplateError(f'unexpected "{rest[0].text}"', rest[0].offset, '"}}"')
    return term


def _pipeline(tokens: Sequence[Token], offset: int, depth: int) -> tuple[Term, Sequence[Token]]:
    if depth > _MAX_DEPTH:
        raise TemplateError(f"parentheses are nested more than {_MAX_DEPTH} times", offset)
    term: Term | None = None
    while True:
        term, tokens = _command(tokens, offset, term, depth)
        if not tokens or tokens[0].text != "|":
            return term, tokens
        offset, tokens = tokens[0].offset, tokens[1:]


def _command(tokens: Sequence[Token], offset: int, piped: Term | None, depth: int) -> tuple[Term, Sequence[Token]]:
    if not tokens or tokens[0].text in ("|", ")"):
        raise TemplateError("a value is missing", tokens[0].offset if tokens else offset, "a value or a function")
    first = tokens[0]
    if first.kind == "word" and first.text not in ("true", "false", "nil"):
        _refuse(first)
        arguments, rest = _operands(tokens[1:], depth)
        return Invoke(first.text, tuple(arguments) + (() if piped is None else (piped,)), first.offset), rest
    operands, rest = _operands(tokens, depth)
    if piped is not None:
        raise TemplateError("a value stands where a pipe needs a function", first.offset, "a function such as humanize")
    if len(operands) > 1:
        raise TemplateError(f'"{first.text}" is no function and takes no arguments', first.offset, "one value, or a function first")
    return operands[0], rest


def _operands(tokens: Sequence[Token], depth: int) -> tuple[list[Term], Sequence[Token]]:
    found: list[Term] = []
    while tokens and tokens[0].text not in ("|", ")"):
        token = tokens[0]
        if token.text == "(" and token.kind == "mark":
            term, rest = _pipeline(tokens[1:], token.offset, depth + 1)
            if not rest or rest[0].text != ")":
                raise TemplateError("the parenthesis is not closed", token.offset, '")"')
            tokens = rest[1:]
            found.append(term)
            continue
        found.append(_operand(token))
        tokens = tokens[1:]
    return found, tokens


def _operand(token: Token) -> Term:
    if token.kind == "string":
        return Literal(_unquoted(token), token.offset)
    if token.kind == "raw":
        return Literal(token.text[1:-1], token.offset)
    if token.kind == "number":
        return Literal(_number(token.text), token.offset)
    if token.kind == "reference":
        return _reference(token)
    if token.kind == "word" and token.text in ("true", "false"):
        return Literal(token.text == "true", token.offset)
    if token.kind == "word":
        _refuse(token)
        return Invoke(token.text, (), token.offset)
    if token.text in (":=", "="):
        raise TemplateError("variables of one's own are not supported", token.offset, "$labels, $value, or a pipe")
    raise TemplateError(f'"{token.text}" stands where a value is needed', token.offset, "a value")


def _refuse(token: Token) -> None:
    if token.text in _REFUSED:
        raise TemplateError(f'"{token.text}" is not supported in Stakewarden\'s templates', token.offset, "values, pipes and if/else/end")
    if token.text in KEYWORDS:
        raise TemplateError(f'"{token.text}" must stand first in its action', token.offset)
    if token.text == "nil":
        raise TemplateError('"nil" is no value here', token.offset)


def _reference(token: Token) -> Reference:
    parts = token.text.split(".")
    head, fields = parts[0], parts[1:]
    if head in ("", "$"):
        if not fields:
            raise TemplateError('"$" alone is not supported', token.offset, "$labels.name or $value")
        root, fields = fields[0], fields[1:]
        if root not in ROOTS.values():
            raise TemplateError(
                f'there is no ".{root}"', token.offset, ", ".join(f".{r}" for r in ROOTS.values()), _dotted(nearest(root, ROOTS.values()))
            )
    else:
        if head[1:] not in ROOTS:
            raise TemplateError(
                f'there is no variable "{head}"', token.offset, ", ".join(f"${r}" for r in ROOTS), _dollar(nearest(head[1:], ROOTS))
            )
        root = ROOTS[head[1:]]
    if len(fields) > (1 if root.endswith("Labels") else 0):
        raise TemplateError(f'"{token.text}" has a field too many', token.offset, "$labels.name or $value")
    return Reference(root, fields[0] if fields else None, token.offset)


def _dotted(name: str | None) -> str | None:
    return None if name is None else f".{name}"


def _dollar(name: str | None) -> str | None:
    return None if name is None else f"${name}"


def _number(text: str) -> int | float:
    if "x" in text.lower():
        return int(text, 16)
    return float(text) if any(c in text for c in ".eE") else int(text)


def _unquoted(token: Token) -> str:
    def escape(match: re.Match[str]) -> str:
        body = match.group(1)
        if body[0] in "xuU" and len(body) > 1:
            return chr(int(body[1:], 16))
        if body not in _ESCAPES:
            raise TemplateError(f'"\\{body}" is no escape', token.offset + match.start(), 'one of \\n \\t \\" \\\\ \\xhh \\uhhhh')
        return _ESCAPES[body]

    return re.sub(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|.)", escape, token.text[1:-1])
