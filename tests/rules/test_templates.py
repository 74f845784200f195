"""Templates render as Prometheus renders them, and what cannot work is found when the file is loaded."""

from __future__ import annotations

import contextlib
import json
import math
import subprocess
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from monitor.rules.templates import Context, RenderError, TemplateError, compile_template

LABELS = {"contract": "withdrawal_queue", "n": "12345.678", "word": 'a "b" ö\t', "empty_is": ""}
VALUES = [
    "0", "-0.5", "1", "1.5", "12345.678", "123456789", "1e6", "999999", "1e20", "1e21", "1e22", "1.5e-5", "0.0001", "0.00012345678", "-1234.5678",
    "1e-10", "86400", "93784.5", "3599.999", "59.9999", "-61", "1793184000", "1793184000.25", "1e15", "0.999949", "999.95", "1023.99", "1048576",
    "+Inf", "-Inf", "NaN", "0.3333333333333333", "2.5", "3.5", "0.125", "1e100", "4503599627370496.5",
]  # fmt: skip
TEMPLATES = [
    "{{ $value }}", "{{ .Value }}", "{{ $.Value }}", "{{$value|humanize}}", "{{ humanize1024 $value }}", "{{ $value | humanizeDuration }}",
    "{{ $value | humanizePercentage }}", '{{ printf "%.2f" $value }}', '{{ $value | printf "%f" }}', '{{ printf "%g" $value }}', '{{ printf "%e" $value }}',
    '{{ printf "%.3e|%.4g|%8.2f|%-10.1f|%+.1f|%08.2f|% .1f" $value $value $value $value $value $value $value }}', '{{ printf "%v" $value }}',
    '{{ printf "100%% of %s at %q" $labels.contract $labels.word }}', '{{ printf "%20s|%-20s|%.4s|%x" $labels.contract $labels.contract $labels.contract $labels.n }}',
    "{{ $labels }}", "{{ .Labels.contract }} {{ $labels.absent }}!", "{{ $labels.n | humanize }}", '{{ index $labels "contract" | toUpper | title }}',
    "{{ if gt $value 1.0 }}high{{ else if eq $value 1.0 }}one{{ else }}low{{ end }}", '{{ if eq $labels.contract "lido" "withdrawal_queue" }}yes{{ end }}',
    "{{ if and $labels.contract (not $labels.absent) }}both{{ end }}", "{{ if $value }}nonzero{{ else }}zero{{ end }}", "{{ or $labels.absent $labels.contract }}",
    "a  {{- /* a comment */ -}}  b", "x {{- $labels.contract -}} y", "{{ print 1 2 `raw` 3 true }}", "{{ len $labels.word }} {{ len $labels }}",
    '{{ reReplaceAll "(w[a-z]+)_(.*)" "$2-${1}" $labels.contract }}', '{{ if match "^with" $labels.contract }}m{{ end }}', '{{ parseDuration "1h30m" }}',
    '{{ printf "%d %5d %t %v %s" 42 -7 true 1.0 "s" }}', "{{ $externalLabels.site }}/{{ .ExternalLabels.site }}", "{{ le $value 1.5 }} {{ ne $value 1.5 }}",
    "{{ title \"over the 'top' again\" }}", "no action at all { } }}", "{{ `}}` }}", "{{ if true }}\n  kept\n{{ end }}\n", "{{ 0x10 }} {{ 1e3 }} {{ 1.50 }} {{ -3 }}",
]  # fmt: skip
TIMES = ["0", "1793184000", "1793184000.25", "-1.5", "-0.0005", "4102444800", "+Inf"]


def _promtool(folder: Path, cases: dict[str, list[str]]) -> subprocess.CompletedProcess[str]:
    """One rule a template and one series a value: promtool needs a database a test, so one test holds them all."""
    rules, series, checks = [], [], []
    for i, (template, values) in enumerate(cases.items()):
        rules.append({"alert": f"A{i}", "expr": f"v{i} + 0", "annotations": {"text": template}})
        alerts = []
        for n, value in enumerate(values):
            labels = {k: v for k, v in (LABELS | {"n": LABELS["n"] + str(n)}).items() if v}
            context = Context(labels, float(value.replace("Inf", "inf")), {"site": "here"})
            written = ",".join(f"{k}={json.dumps(v, ensure_ascii=False)}" for k, v in labels.items())
            series.append({"series": f"v{i}{{{written}}}", "values": value})
            alerts.append({"exp_labels": labels, "exp_annotations": {"text": compile_template(template).render(context)}})
        checks.append({"eval_time": "0m", "alertname": f"A{i}", "exp_alerts": alerts})
    test = {"interval": "1m", "external_labels": {"site": "here"}, "input_series": series, "alert_rule_test": checks}
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}, allow_unicode=True))
    (folder / "test.yaml").write_text(yaml.safe_dump({"rule_files": ["rules.yaml"], "tests": [test]}, allow_unicode=True))
    return subprocess.run(["promtool", "test", "rules", "test.yaml"], cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_every_template_renders_as_promtool_renders_it(tmp_path: Path) -> None:
    cases = {t: VALUES if "$value" in t or ".Value" in t else ["1.5", "0"] for t in TEMPLATES}
    # from 2^63 seconds on, Prometheus' whole seconds overflow and it prints nonsense; we print the number of days
    cases["{{ $value | humanizeDuration }}"] = [v for v in VALUES if not 2.0**63 <= float(v.replace("Inf", "inf")) < math.inf]
    result = _promtool(tmp_path, cases | {"{{ $value | humanizeTimestamp }}": TIMES})
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-4000:]


@given(st.floats(), st.sampled_from(["v", "g", "e", "f"]))
def test_formatted_floats_read_back(value: float, verb: str) -> None:
    text = compile_template(f'{{{{ printf "%{verb}" $value }}}}').render(Context({}, value))
    assert math.isnan(value) if text == "NaN" else float(text) == pytest.approx(value, rel=1e-6, abs=1e-6)
    if verb in "vg" and not math.isnan(value):
        assert float(text) == value


@given(st.text(alphabet='{}-|$.()"`% abvaluelsifnd0123\\\n', max_size=60))
def test_any_text_is_a_template_or_a_template_error(text: str) -> None:
    try:
        template = compile_template(text)
    except TemplateError as error:
        assert 0 <= error.offset <= len(text)
        return
    with contextlib.suppress(RenderError):
        template.render(Context({"a": "b"}, 1.0))


BROKEN = {
    "{{ $labels.x": 'the action "{{" is not closed',
    "{{ $lables.x }}": 'there is no variable "$lables"',
    "{{ .Lables.x }}": 'there is no ".Lables"',
    "{{ humanise $value }}": 'there is no function "humanise"',
    '{{ printf "%d" $value }}': '"%d" does not fit a float',
    '{{ printf "%.2f" $labels.x }}': '"%.2f" does not fit a string',
    '{{ printf "%s" }}': "takes 1 values and gets 0",
    "{{ if gt $value 1 }}x{{ end }}": "gt compares a float with a int",
    "{{ if $value }}x": 'this "if" is never closed',
    "x{{ end }}": '"end" without an "if"',
    "{{ if $value }}{{ else }}{{ else }}{{ end }}": 'a second "else"',
    "{{ range query `up` }}{{ end }}": '"range" is not supported',
    "{{ with $value }}{{ end }}": '"with" is not supported',
    "{{ $x := 1 }}": "there is no variable",
    "{{ query `up` }}": 'the function "query" of Prometheus is not supported',
    "{{ }}": "the action is empty",
    "{{ $value | }}": "a value is missing",
    "{{ $value | $value }}": "a value stands where a pipe needs a function",
    "{{ humanize }}": "humanize has 0 arguments",
    "{{ (1 }}": "the parenthesis is not closed",
    '{{ match "(" $labels.x }}': "is no regular expression",
    "{{ /* open }}": '"/" has no meaning here',
    "{{/* open }}": "the comment is not closed",
    "{{ $value ? }}": '"?" has no meaning here',
    '{{ "\\z" }}': "is no escape",
}


@pytest.mark.parametrize(("text", "message"), BROKEN.items())
def test_what_cannot_work_is_found_at_load(text: str, message: str) -> None:
    with pytest.raises(TemplateError) as caught:
        compile_template(text)
    assert message in caught.value.message
    assert text[caught.value.offset :] != ""


def test_the_nearest_name_is_offered() -> None:
    with pytest.raises(TemplateError) as caught:
        compile_template("late by {{ $value | humanizeDuraton }}")
    assert (caught.value.nearest, caught.value.offset) == ("humanizeDuration", 20)


def test_a_label_that_is_no_number_fails_when_rendered() -> None:
    with pytest.raises(RenderError, match='"abc" is not a number'):
        compile_template("{{ $labels.x | humanize }}").render(Context({"x": "abc"}, 1.0))


def test_labels_used_are_known_with_their_offsets() -> None:
    template = compile_template("{{ $labels.a }}{{ if .Labels.b }}{{ $labels.c | toUpper }}{{ end }}")
    assert [(r.field, r.offset) for r in template.labels_used()] == [("a", 3), ("b", 21), ("c", 36)]
