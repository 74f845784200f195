"""``stakewarden guardian``: the brake, for people."""

from __future__ import annotations

import typer

from monitor.cli import decisions, guardian_safe
from monitor.cli.guardian_deploy import deploy
from monitor.cli.guardian_levers import levers
from monitor.cli.guardian_pause import calldata, pause
from monitor.cli.guardian_status import status
from monitor.cli.guardian_summary import summary

app = typer.Typer(no_args_is_help=True)
app.command()(status)
app.command()(pause)
app.command()(calldata)
app.command()(levers)
app.command()(deploy)
app.add_typer(guardian_safe.app, name="safe")
app.command()(decisions.evidence)
app.command()(decisions.verify)
app.command("shadow-report")(decisions.shadow_report)
app.command()(decisions.replay)
app.command()(summary)
app.add_typer(decisions.policy, name="policy")
