"""A cheap look at an expression's text before the real parser sees it: tokens with positions, and what stands wrongly.

The parser overflows its stack on deep input and tells no position, so length, depth and balance are checked here, and so is the
order of operands and operators: where that goes wrong is nearly always where the mistake is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from monitor.samples import BadMatcher, Matcher

MAX_LENGTH = 20_000
MAX_TOKENS = 4_000
MAX_DEPTH = 60
MAX_OPERATORS = 300
"""The parser takes long over chains of operators, and overflows its stack in the end."""

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+|\#[^\n]*)
      | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`)
      | (?P<number>0[xX][0-9a-fA-F]+|(?:[0-9]+(?:ms|[smhdwy]))+(?![A-Za-z0-9_])|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
      | (?P<word>[A-Za-z_:][A-Za-z0-9_:]*)
      | (?P<op>=~|!~|==|!=|<=|>=|[-+*/%^<>=@,:()\[\]{}])""",
    re.VERBOSE,
)
_CLOSES = {"(": ")", "[": "]", "{": "}"}
_INFIX = frozenset(("+", "-", "*", "/", "%", "^", "==", "!=", ">", "<", ">=", "<="))
_INFIX_WORDS = frozenset(("and", "or", "unless", "atan2"))
_MATCHING = frozenset(("on", "ignoring", "group_left", "group_right", "fill", "fill_left", "fill_right"))
_GROUPING = frozenset(("by", "without"))


class ParseError(ValueError):
    """A text is not an expression that we can evaluate. ``position``: characters from the start; None if it can't be told."""

    def __init__(self, message: str, position: int | None, remedy: str = "") -> None:
        super().__init__(message + (f"; {remedy}" if remedy else ""))
        self.message, self.position, self.remedy = message, position, remedy


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str
    at: int

    @property
    def low(self) -> str:
        return self.text.lower()


@dataclass(frozen=True, slots=True)
class Scan:
    """``selectors`` and ``calls``: where metric names (or their braces) and function names start, in order."""

    tokens: tuple[Token, ...]
    selectors: tuple[int, ...]
    calls: tuple[Token, ...]


def scan(text: str) -> Scan:
    """Tokens of a text that is short, shallow and balanced, with operands and operators in turn. Raises ParseError."""
    if len(text) > MAX_LENGTH:
        raise ParseError(f"the expression has {len(text)} characters", MAX_LENGTH, f"at most {MAX_LENGTH} are allowed")
    tokens = tuple(_tokens(text))
    if not tokens:
        raise ParseError("there is no expression", 0, "write one, e.g. up == 0")
    if len(tokens) > MAX_TOKENS:
        raise ParseError("the expression is too long", tokens[MAX_TOKENS].at, f"at most {MAX_TOKENS} words and signs are allowed")
    operators = [t for t in tokens if t.text in _INFIX or t.low in _INFIX_WORDS]
    if len(operators) > MAX_OPERATORS:
        raise ParseError("the expression is too long", operators[MAX_OPERATORS].at, f"at most {MAX_OPERATORS} operators are allowed")
    _check_balance(tokens)
    return _Order(tokens, len(text)).check()


def _tokens(text: str) -> Iterator[Token]:
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            if text[at] in "\"'`":
                raise ParseError("this string does not end", at, f"close it with {text[at]}")
            raise ParseError(f"unexpected character {text[at]!r}", at)
        if found.lastgroup != "space":
            yield Token(str(found.lastgroup), found.group(), at)
        at = found.end()


def _check_balance(tokens: Sequence[Token]) -> None:
    open: list[Token] = []
    for token in tokens:
        if token.kind != "op":
            continue
        if token.text in _CLOSES:
            open.append(token)
            if len(open) > MAX_DEPTH:
                raise ParseError("the expression is nested too deeply", token.at, f"at most {MAX_DEPTH} levels are allowed")
        elif token.text in _CLOSES.values():
            if not open or _CLOSES[open[-1].text] != token.text:
                remedy = f"the {open[-1].text} at {open[-1].at + 1} wants {_CLOSES[open[-1].text]} first" if open else "take it away"
                raise ParseError(f"{token.text} closes nothing", token.at, remedy)
            open.pop()
    if open:
        raise ParseError(f"{open[-1].text} is not closed", open[-1].at, f"add {_CLOSES[open[-1].text]}")


class _Order:
    """Walks the tokens, knowing whether an operand or an operator must come next."""

    def __init__(self, tokens: Sequence[Token], length: int) -> None:
        self.tokens, self.length = tokens, length
        self.selectors: list[int] = []
        self.calls: list[Token] = []
        self.i = 0
        self.want_operand = True

    def check(self) -> Scan:
        while self.i < len(self.tokens):
            step = self._operand if self.want_operand else self._operator
            step(self.tokens[self.i])
        if self.want_operand:
            raise ParseError("the expression ends where a value is expected", self.length, "add what comes after the last sign")
        return Scan(tuple(self.tokens), tuple(self.selectors), tuple(self.calls))

    def _operand(self, token: Token) -> None:
        self.i += 1
        if token.kind in ("number", "string"):
            self.want_operand = False
        elif token.kind == "word":
            self._word(token)
        elif token.text == "{":
            self.selectors.append(token.at)
            self._braces()
            self.want_operand = False
        elif token.text == ")" and self.i >= 2 and self.tokens[self.i - 2].text == "(":
            self.want_operand = False  # no arguments
        elif token.text == ")" and self.i >= 2 and self.tokens[self.i - 2].text == ",":
            raise ParseError("an argument is missing", token.at, "take the comma away or add the argument")
        elif token.text not in ("(", "+", "-"):
            raise ParseError(f"unexpected {token.text}", token.at, "a metric, a number or ( is expected here")

    def _word(self, token: Token) -> None:
        after = self._text(self.i)
        if token.low in ("inf", "nan") and after != "{":
            self.want_operand = False
        elif token.low in _INFIX_WORDS | _MATCHING | {"bool", "offset"}:
            raise ParseError(f'unexpected "{token.text}"', token.at, "a metric, a number or ( is expected here")
        elif after == "(":
            self.calls.append(token)
        elif after.lower() in _GROUPING:
            self.calls.append(token)
            self._clause()
            if self._text(self.i) != "(":
                raise ParseError(f"nothing to aggregate follows {token.text}", self._at(self.i), "write it in parentheses")
        else:
            self.selectors.append(token.at)
            if after == "{":
                self.i += 1
                self._braces()
            self.want_operand = False

    def _operator(self, token: Token) -> None:
        self.i += 1
        if token.text in (",", *_INFIX) or token.low in _INFIX_WORDS:
            self.want_operand = True
            if token.text != ",":
                self._modifiers()
        elif token.text == "[":
            self._skip_to("]")
        elif token.text == "@":
            self._when(token)
        elif token.low == "offset":
            self._offset(token)
        elif token.low in _GROUPING:
            self.i -= 1
            self._clause()
        elif token.text != ")":
            remedy = "write == for a comparison" if token.text == "=" else "an operator is expected here"
            raise ParseError(f'unexpected "{token.text[:40]}"', token.at, remedy)

    def _modifiers(self) -> None:
        if self._text(self.i).lower() == "bool":
            self.i += 1
        while self._text(self.i).lower() in _MATCHING:
            if self._text(self.i).lower().startswith("fill"):
                raise ParseError("fill is not supported", self.tokens[self.i].at, 'use "or" with a value of your own')
            self._clause()

    def _clause(self) -> None:
        """A word with an optional list of labels, such as ``on (a, b)``."""
        self.i += 1
        if self._text(self.i) == "(":
            self._skip_to(")")

    def _offset(self, token: Token) -> None:
        if self._text(self.i) in ("-", "+"):
            self.i += 1
        if self.i >= len(self.tokens) or self.tokens[self.i].kind != "number":
            raise ParseError("offset wants a duration", self._at(self.i), "write e.g. offset 5m")
        self.i += 1

    def _when(self, token: Token) -> None:
        """``@ 1700000000``, ``@ start()`` or ``@ end()``."""
        if self._text(self.i).lower() in ("start", "end") and self._text(self.i + 1) == "(" and self._text(self.i + 2) == ")":
            self.i += 3
            return
        if self.i >= len(self.tokens) or self.tokens[self.i].kind != "number":
            raise ParseError("@ wants a time", self._at(self.i), "write Unix seconds, start() or end()")
        self.i += 1

    def _braces(self) -> None:
        """The matchers of a selector, up to past its closing brace."""
        while self._text(self.i) != "}":
            self._matcher()
            after = self.tokens[self.i]
            if after.low == "or":
                raise ParseError("alternatives inside braces are not supported", after.at, 'use =~ or two selectors joined with "or"')
            if after.text == "," and after.kind == "op":
                self.i += 1
            elif after.text != "}":
                raise ParseError(f'unexpected "{after.text[:40]}"', after.at, ", or } is expected here")
        self.i += 1

    def _matcher(self) -> None:
        label = self._inside(("word", "string"), "a label's name")
        if label.kind == "string" and self._text(self.i) in (",", "}"):
            return  # a metric's name in quotes
        op = self._inside(("op",), "=, !=, =~ or !~")
        if op.text not in ("=", "!=", "=~", "!~"):
            raise ParseError(f"unexpected {op.text}", op.at, "=, !=, =~ or !~ is expected after a label's name")
        value = self._inside(("string",), "a value in quotes")
        if op.text in ("=~", "!~") and "\\" not in value.text:
            try:
                Matcher(label.text, "=~", value.text[1:-1])
            except BadMatcher as error:
                raise ParseError(str(error), value.at) from None

    def _inside(self, kinds: tuple[str, ...], wanted: str) -> Token:
        token = self.tokens[self.i]
        if token.kind not in kinds:
            raise ParseError(f'unexpected "{token.text[:40]}"', token.at, f"{wanted} is expected here")
        self.i += 1
        return token

    def _skip_to(self, close: str) -> None:
        """Past the next ``close``; what lies between is the parser's business."""
        while self.tokens[self.i].text != close or self.tokens[self.i].kind != "op":
            self.i += 1
        self.i += 1

    def _text(self, i: int) -> str:
        return self.tokens[i].text if i < len(self.tokens) and self.tokens[i].kind != "string" else ""

    def _at(self, i: int) -> int:
        return self.tokens[i].at if i < len(self.tokens) else self.length
