"""Panels of Grafana's classic dashboards (schema 42) as plain dicts, and the grid that they stand in.

Only what differs from a bare panel is said here; https://grafana.com/docs/grafana/latest/visualizations/dashboards/build-dashboards/view-dashboard-json-model/
tells every key. The data source is a variable, so one file fits every Grafana.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from monitor.dashboards.limits import Step

Json = dict[str, Any]
SOURCE: Json = {"type": "prometheus", "uid": "${datasource}"}
OWN: Json = {"type": "grafana", "uid": "-- Grafana --"}
COLUMNS = 24
FINE: tuple[Step, ...] = (Step(None, "green"),)
ALARM: tuple[Step, ...] = (Step(None, "green"), Step(1.0, "red"))
"""For what counts troubles."""
BROKEN: tuple[Step, ...] = (Step(None, "red"), Step(1.0, "green"))
"""For what is 1 when all is well."""
YES_NO = (("0", "no"), ("1", "yes"))
UNITS = {"ratio": "percentunit", "seconds": "s", "ether": "suffix: ETH", "wei": "suffix: wei", "blocks": "suffix: blocks", "slots": "suffix: slots",
         "epochs": "suffix: epochs", "count": "short", "bool": "short", "shares": "short", "": "short"}  # fmt: skip
"""Units of the catalogue in Grafana's words. A point in time is shown as its age."""


@dataclass(frozen=True)
class Query:
    """An expression with the text of its legend, in which ``{{label}}`` stands for a label's value."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """One panel without its place. ``steps``: colours from a value on; ``words``: value to text."""

    type: str
    title: str
    queries: tuple[Query, ...]
    about: str
    width: int
    height: int
    unit: str = "short"
    steps: tuple[Step, ...] = FINE
    words: tuple[tuple[str, str], ...] = ()
    decimals: int | None = None
    more: Json = field(default_factory=dict)


def stat(title: str, expr: str, about: str, *, width: int = 4, unit: str = "short", steps: Sequence[Step] = FINE, words: Sequence[tuple[str, str]] = (),
         legend: str = "", decimals: int | None = None) -> Panel:  # fmt: skip
    """The newest value, large, on its colour."""
    return Panel("stat", title, (Query(expr, legend),), about, width, 4, unit, tuple(steps), tuple(words), decimals)


def graph(title: str, queries: Query | Sequence[Query], about: str, *, width: int = 12, height: int = 8, unit: str = "short",
          steps: Sequence[Step] = FINE, decimals: int | None = None, stacked: bool = False) -> Panel:  # fmt: skip
    """Values over time; the limits of the rules are drawn as lines."""
    asked = (queries,) if isinstance(queries, Query) else tuple(queries)
    return Panel("timeseries", title, asked, about, width, height, unit, tuple(steps), (), decimals, {"stacked": stacked})


def timeline(title: str, query: Query, about: str, *, width: int = 24, height: int = 8, steps: Sequence[Step] = ALARM,
             words: Sequence[tuple[str, str]] = YES_NO) -> Panel:  # fmt: skip
    """States over time, a line each."""
    return Panel("state-timeline", title, (query,), about, width, height, "short", tuple(steps), tuple(words))


def table(title: str, expr: str, about: str, *, width: int = 12, height: int = 8, unit: str = "short", steps: Sequence[Step] = FINE,
          decimals: int | None = None) -> Panel:  # fmt: skip
    """The newest values with their labels."""
    return Panel("table", title, (Query(expr),), about, width, height, unit, tuple(steps), (), decimals)


def alerts(title: str, about: str, *, width: int = 12, height: int = 9) -> Panel:
    """The alerts that fire or wait, as the data source's rules say."""
    options = {
        "viewMode": "list", "groupMode": "default", "groupBy": [], "maxItems": 30, "sortOrder": 3, "dashboardAlerts": False, "alertName": "",
        "alertInstanceLabelFilter": "", "datasource": "Stakewarden", "showInactiveAlerts": False,
        "stateFilter": {"firing": True, "pending": True, "recovering": True, "noData": False, "normal": False, "error": True},
    }  # fmt: skip
    return Panel("alertlist", title, (), about, width, height, more={"options": options})


def log(title: str, about: str, tags: Sequence[str], *, width: int = 12, height: int = 9) -> Panel:
    """The newest annotations with these tags."""
    options = {
        "onlyFromThisDashboard": False, "onlyInTimeRange": False, "tags": list(tags), "limit": 30, "showUser": False, "showTime": True, "showTags": True,
        "navigateToPanel": False, "navigateBefore": "30m", "navigateAfter": "30m",
    }  # fmt: skip
    return Panel("annolist", title, (), about, width, height, more={"options": options})


# ---------------------------------------------------------------- to JSON


@dataclass(frozen=True)
class Board:
    """A dashboard: rows of panels under their titles."""

    uid: str
    title: str
    about: str
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]
    protocols: bool = False
    """Whether it has a variable ``$protocol``."""
    span: str = "6h"

    @property
    def panels(self) -> Iterable[Panel]:
        return (panel for _, panels in self.rows for panel in panels)


def as_json(board: Board, boards: Sequence[Board]) -> Json:
    """The dashboard as Grafana stores it, with links to the others."""
    places = list(_placed(board))
    return {
        "id": None, "uid": board.uid, "title": board.title, "description": board.about, "tags": ["stakewarden"], "timezone": "utc", "editable": True,
        "graphTooltip": 1, "fiscalYearStartMonth": 0, "liveNow": False, "preload": False, "refresh": "30s", "schemaVersion": 42, "version": 0,
        "weekStart": "", "time": {"from": f"now-{board.span}", "to": "now"}, "timepicker": {},
        "links": [_link(other) for other in boards if other is not board],
        "templating": {"list": [_source_variable(), *([_protocol_variable()] if board.protocols else [])]},
        "annotations": {"list": [_builtin(), *_annotations()]}, "panels": places,
    }  # fmt: skip


def _placed(board: Board) -> Iterable[Json]:
    """Panels from left to right, row by row; each row of panels is as high as its highest."""
    number, y = 0, 0
    for title, panels in board.rows:
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": title,
            "collapsed": False,
            "gridPos": {"x": 0, "y": y, "w": COLUMNS, "h": 1},
            "panels": [],
        }
        x, y, high = 0, y + 1, 0
        for panel in panels:
            if x + panel.width > COLUMNS:
                x, y, high = 0, y + high, 0
            number += 1
            yield {"id": number, "gridPos": {"x": x, "y": y, "w": panel.width, "h": panel.height}, **_panel(panel)}
            x, high = x + panel.width, max(high, panel.height)
        y += high


def _panel(panel: Panel) -> Json:
    source = OWN if panel.type == "annolist" else SOURCE
    found: Json = {
        "type": panel.type,
        "title": panel.title,
        "description": panel.about,
        "fieldConfig": _field_config(panel),
        "options": _options(panel),
    }
    if panel.type != "alertlist":
        found["datasource"] = source
    if panel.queries:
        found["targets"] = [_target(panel, chr(ord("A") + i), q) for i, q in enumerate(panel.queries)]
    if panel.type == "table":
        hidden = {"excludeByName": {"Time": True, "__name__": True}, "indexByName": {}, "renameByName": {}}
        found["transformations"] = [{"id": "organize", "options": hidden}]
    return found


def _target(panel: Panel, letter: str, query: Query) -> Json:
    found: Json = {
        "refId": letter,
        "datasource": SOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
    }
    now = panel.type in ("stat", "table")
    return found | {"instant": now, "range": not now} | ({"format": "table"} if panel.type == "table" else {})


def _field_config(panel: Panel) -> Json:
    steps = [{"color": s.colour, "value": s.value} for s in panel.steps]
    many = panel.type == "timeseries"
    defaults: Json = {
        "unit": panel.unit, "mappings": _mappings(panel), "color": {"mode": "palette-classic" if many else "thresholds"},
        "thresholds": {"mode": "absolute", "steps": steps}, "noValue": "unknown",
    }  # fmt: skip
    if panel.decimals is not None:
        defaults["decimals"] = panel.decimals
    if many:
        defaults["custom"] = {
            "drawStyle": "line", "lineInterpolation": "stepAfter", "lineWidth": 1, "fillOpacity": 20 if panel.more.get("stacked") else 5,
            "showPoints": "never", "spanNulls": False, "stacking": {"group": "A", "mode": "normal" if panel.more.get("stacked") else "none"},
            "thresholdsStyle": {"mode": "dashed" if len(steps) > 1 else "off"},
        }  # fmt: skip
    elif panel.type == "state-timeline":
        defaults["custom"] = {"lineWidth": 0, "fillOpacity": 80, "spanNulls": False}
    elif panel.type == "table":
        cell = {"type": "color-background", "mode": "basic"} if len(steps) > 1 else {"type": "auto"}
        defaults["custom"] = {"align": "auto", "cellOptions": {"type": "auto"}, "filterable": True, "inspect": False}
        value = {"matcher": {"id": "byName", "options": "Value"}, "properties": [{"id": "custom.cellOptions", "value": cell}]}
        return {"defaults": defaults, "overrides": [value]}
    return {"defaults": defaults, "overrides": []}


def _mappings(panel: Panel) -> list[Json]:
    if not panel.words:
        return []
    return [{"type": "value", "options": {value: {"text": text, "index": i} for i, (value, text) in enumerate(panel.words)}}]


def _options(panel: Panel) -> Json:
    match panel.type:
        case "stat":
            reduced = {"calcs": ["lastNotNull"], "fields": "", "values": False}
            return {"reduceOptions": reduced, "colorMode": "background", "graphMode": "none", "justifyMode": "auto", "orientation": "auto",
                    "textMode": "auto", "wideLayout": True, "showPercentChange": False, "percentChangeColorMode": "standard"}  # fmt: skip
        case "timeseries":
            return {"legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []},
                    "tooltip": {"mode": "multi", "sort": "desc", "hideZeros": False}}  # fmt: skip
        case "state-timeline":
            return {"showValue": "auto", "rowHeight": 0.85, "mergeValues": True, "alignValue": "left", "perPage": 30,
                    "legend": {"showLegend": False, "displayMode": "list", "placement": "bottom"},
                    "tooltip": {"mode": "single", "sort": "none", "hideZeros": False}}  # fmt: skip
        case "table":
            return {"showHeader": True, "cellHeight": "sm", "sortBy": []}
    options: Json = panel.more["options"]
    return options


def _source_variable() -> Json:
    return {"name": "datasource", "type": "datasource", "label": "Data source", "query": "prometheus", "regex": "", "refresh": 1, "hide": 0,
            "includeAll": False, "multi": False, "options": [], "current": {}, "skipUrlSync": False}  # fmt: skip


def _protocol_variable() -> Json:
    asked = "label_values(stakewarden_blind, protocol)"
    return {"name": "protocol", "type": "query", "label": "Protocol", "datasource": SOURCE, "definition": asked, "regex": "", "refresh": 2, "sort": 1,
            "query": {"query": asked, "refId": "PrometheusVariableQueryEditor-VariableQuery", "qryType": 1}, "hide": 0, "includeAll": True, "multi": True,
            "allValue": ".*", "options": [], "current": {"text": ["All"], "value": ["$__all"]}, "skipUrlSync": False}  # fmt: skip


def _builtin() -> Json:
    return {"builtIn": 1, "datasource": OWN, "enable": True, "hide": True, "iconColor": "rgba(0, 211, 255, 1)", "name": "Annotations & Alerts",
            "type": "dashboard"}  # fmt: skip


def _annotations() -> Iterable[Json]:
    for name, tag, colour in (
        ("Incidents", "incident", "red"),
        ("Pauses", "pause", "purple"),
        ("Rules", "reload", "blue"),
        ("Notes", "note", "yellow"),
    ):
        target = {"type": "tags", "tags": ["stakewarden", tag], "limit": 200, "matchAny": False}
        yield {"datasource": OWN, "enable": True, "hide": False, "iconColor": colour, "name": name, "target": target}


def _link(board: Board) -> Json:
    return {"title": board.title, "type": "link", "url": f"/d/{board.uid}", "icon": "dashboard", "tags": [], "asDropdown": False, "includeVars": True,
            "keepTime": True, "targetBlank": False, "tooltip": board.about}  # fmt: skip
