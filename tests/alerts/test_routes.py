"""The routes file: what it means, and what is said about one that is wrong."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.alerts import BadRoutes, load_routes, parse_routes
from monitor.alerts.matchers import BadMatcher, Matcher, parse_matcher
from monitor.model import labels

SHIPPED = Path(__file__).parents[2] / "rules" / "policy" / "routes.yaml"
TREE = """
route:
  receiver: slack
  group_by: [alertname]
  group_wait: 30s
  repeat_interval: 4h
  routes:
    - matchers: ['severity="page"', 'protocol=~"lido|rocketpool"']
      receiver: pager
      group_wait: 0s
      continue: true
      routes:
        - matchers: ['zone!="deposit"']
          group_by: ['...']
    - matchers: [severity=page]
      group_interval: 1m
"""


def keys(**alert: str) -> list[str]:
    return [r.key for r in parse_routes(TREE, ["slack", "pager"]).match(labels(alert))]


def test_an_alert_goes_down_the_tree_and_on_where_a_route_says_so() -> None:
    page = '{}/{protocol=~"lido|rocketpool",severity="page"}'
    assert keys(severity="ticket") == ["{}"]
    assert keys(severity="page") == ['{}/{severity="page"}']
    assert keys(severity="page", protocol="lido", zone="deposit") == [page, '{}/{severity="page"}']
    assert keys(severity="page", protocol="lido", zone="accounting") == [page + '/{zone!="deposit"}', '{}/{severity="page"}']
    assert keys(severity="page", protocol="lido2") == ['{}/{severity="page"}'], "regular expressions match the whole value"


def test_children_inherit_what_they_do_not_set() -> None:
    found = parse_routes(TREE, ["slack", "pager"])
    deep = found.match(labels(severity="page", protocol="lido", zone="x"))[0]
    assert (deep.receivers, deep.group_wait, deep.repeat_interval, deep.goes_on) == (("pager",), 0, 14_400, False)
    alert = labels(alertname="A", severity="page", token="t")
    assert deep.group(alert) == alert
    assert found.root.group(alert) == labels(alertname="A")
    assert found.receivers == {"slack", "pager"}
    assert found.by_key(deep.key) == deep
    assert found.by_key("{}/gone") is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "routes.yaml:1:1: error: the file is empty"),
        ("routes: {}", 'routes.yaml:1:1: error: the file has no key "routes"; expected one of route, inhibit_rules; did you mean "route"?'),
        ("inhibit_rules: []", 'routes.yaml:1:1: error: the file has no key "route"'),
        ("route: {group_by: [a]}", "routes.yaml:1:8: error: the root route has no receiver"),
        (
            "route: {receiver: slak}",
            'routes.yaml:1:19: error: no receiver is named "slak"; expected one of pager, slack; did you mean "slack"?',
        ),
        ("route: {receiver: slack, group_wiat: 5s}", 'did you mean "group_wait"?'),
        ("route: {receiver: slack, group_wait: soon}", 'routes.yaml:1:38: error: group_wait is "soon"; expected a duration'),
        ("route: {receiver: slack, matchers: ['a=b']}", 'the root route has "matchers"'),
        ("route: {receiver: slack, continue: true}", 'the root route has "continue"'),
        ("route: {receiver: slack, routes: [{receiver: pager}]}", "routes.yaml:1:35: error: the route has no matchers"),
        ("route:\n  receiver: slack\n  routes:\n    - matchers: ['a~b']", "routes.yaml:4:18: error: matcher 'a~b' is not of the form"),
        ("route: {receiver: slack, routes: [{matchers: ['a=~\"(\"']}]}", "bad regular expression"),
        ("route: {receiver: slack, routes: [{matchers: ['a=b'], continue: yep}]}", 'continue is "yep"; expected true or false'),
        ("route: {receiver: slack, routes: [{matchers: ['a=b']}, {matchers: ['a=b']}]}", "two routes side by side have the same matchers"),
        (
            "route: {receiver: slack}\ninhibit_rules: [{equal: [a]}]",
            'routes.yaml:2:17: error: the inhibition rule has no "source_matchers"',
        ),
        ("route: {receiver: slack}\ninhibit_rules: {}", "inhibit_rules is a mapping; expected a list"),
        ("route: [", "this is not YAML"),
        ("route: {receiver: slack}\nroute: {receiver: slack}", "is written twice"),
        ("route: &r {receiver: slack, routes: [*r]}", "error"),
    ],
)
def test_each_mistake_is_named_with_its_place(text: str, says: str) -> None:
    with pytest.raises(BadRoutes) as caught:
        parse_routes(text, ["slack", "pager"])
    assert says in str(caught.value)


def test_no_receiver_configured_is_said_so() -> None:
    with pytest.raises(BadRoutes, match="none is configured"):
        parse_routes("route: {receiver: slack}", [])


@pytest.mark.parametrize(
    ("text", "matcher"),
    [
        ('a="b"', Matcher("a", "=", "b")),
        (" a != b ", Matcher("a", "!=", "b")),
        ('a=~"x|y"', Matcher("a", "=~", "x|y")),
        ('a!="x\\"\\n\\\\"', Matcher("a", "!=", 'x"\n\\')),
        ("a=", Matcher("a", "=", "")),
    ],
)
def test_matchers_are_read_as_alertmanager_reads_them(text: str, matcher: Matcher) -> None:
    assert parse_matcher(text) == matcher


@pytest.mark.parametrize("text", ["", "a", "=b", "1a=b", 'a="b', 'a=b"c"', 'a="b"c', "{a=b}", "a=b,c=d", 'a=~"["', 'a=~"(?<x>y)("'])
def test_bad_matchers_are_refused(text: str) -> None:
    with pytest.raises(BadMatcher):
        parse_matcher(text)


@given(st.sampled_from(["=", "!="]), st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_a_matcher_written_out_reads_as_itself(operator: str, value: str) -> None:
    assert parse_matcher(str(Matcher("name", operator, value))) == Matcher("name", operator, value)


def test_a_missing_label_is_the_empty_text() -> None:
    assert parse_matcher('a=""').matches({})
    assert not parse_matcher('a=~".+"').matches({})
    assert parse_matcher("a!=b").matches({})
    assert not parse_matcher('a!~".*"').matches({"a": "x"})


def test_two_alerts_never_mute_each_other() -> None:
    text = """
route: {receiver: slack}
inhibit_rules:
  - source_matchers: ['severity="page"']
    target_matchers: ['protocol="lido"']
    equal: [zone]
"""
    found = parse_routes(text, ["slack"])
    one, two = labels(severity="page", protocol="lido", n="1"), labels(severity="page", protocol="lido", n="2")
    assert found.inhibited_by(one, [two]) is None
    assert found.inhibited_by(labels(protocol="lido"), [one]) == one
    assert found.inhibited_by(labels(protocol="lido", zone="x"), [one]) is None
    assert found.inhibited_by(one, [one]) is None


class TestShipped:
    """The file that ships says what the drills expect."""

    routes = load_routes(SHIPPED, ["slack"])

    def test_a_page_is_said_at_once_and_repeated_within_the_hour(self) -> None:
        (route,) = self.routes.match(labels(alertname="LidoRoleGranted", severity="page"))
        assert (route.group_wait, route.repeat_interval) == (0, 3600)

    def test_a_ticket_waits_for_a_wider_cause(self) -> None:
        (route,) = self.routes.match(labels(alertname="EndpointDown", severity="ticket"))
        assert 10 <= route.group_wait <= 30

    def test_all_blind_collectors_are_one_incident(self) -> None:
        alerts = [labels(alertname="StakewardenBlind", severity="page", collector=c, protocol="lido") for c in ("queue", "oracle")]
        ((one,), (two,)) = (self.routes.match(a) for a in alerts)
        assert one.group(alerts[0]) == two.group(alerts[1])
        assert one.group_wait > 0

    @pytest.mark.parametrize("name", ["EndpointDown", "EndpointDissent", "StakewardenBlind"])
    def test_without_an_agreed_head_its_parts_are_not_told(self, name: str) -> None:
        cause = labels(alertname="NoAgreedHead", severity="page")
        assert self.routes.inhibited_by(labels(alertname=name, protocol="lido", endpoint="a"), [cause]) == cause
        assert self.routes.inhibited_by(cause, [labels(alertname=name)]) is None

    def test_a_blind_collector_mutes_endpoints_and_what_has_no_data(self) -> None:
        blind = labels(alertname="StakewardenBlind", protocol="lido", collector="queue")
        assert self.routes.inhibited_by(labels(alertname="EndpointDown", endpoint="a"), [blind]) == blind
        assert self.routes.inhibited_by(labels(alertname="LidoQueue", protocol="lido", no_data="true"), [blind]) == blind
        assert self.routes.inhibited_by(labels(alertname="AnyQueue", no_data="true"), [blind]) == blind
        assert self.routes.inhibited_by(labels(alertname="OtherQueue", protocol="other", no_data="true"), [blind]) is None
        assert self.routes.inhibited_by(labels(alertname="LidoQueue", protocol="lido"), [blind]) is None

    def test_every_alert_that_an_inhibition_names_is_a_rule_that_ships(self) -> None:
        packs = "".join(path.read_text("utf-8") for path in (SHIPPED.parents[1] / "packs").glob("*.yaml"))
        names = set(re.findall(r"^ *- alert: (\w+)$", packs, re.MULTILINE))
        for inhibition in self.routes.inhibitions:
            for matcher in (m for m in (*inhibition.source, *inhibition.target) if m.name == "alertname"):
                assert any(matcher.matches({"alertname": name}) for name in names), str(matcher)
