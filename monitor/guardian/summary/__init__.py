"""The account of a pause after the incident: what the store has of it (``found``), as Markdown (``text``)."""

from monitor.guardian.summary.found import Found, NotFound, find
from monitor.guardian.summary.text import Meaning, written

__all__ = ["Found", "Meaning", "NotFound", "find", "written"]
