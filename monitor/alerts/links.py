"""Links of messages to the status page. Only what is told carries them: annotations, evidence and the journal stay as the rules made them."""

from __future__ import annotations

from dataclasses import dataclass

from monitor.rules.runbooks import page_of


@dataclass(frozen=True, slots=True)
class Links:
    """``page`` is the address at which people reach the status page, without a slash at its end; None: unknown, and nothing leads there."""

    page: str | None = None

    def incident(self, identity: str) -> str | None:
        """The incident's own page."""
        return None if self.page is None else f"{self.page}/incidents/{identity}"

    def runbook(self, given: str) -> str:
        """A rule's ``runbook_url`` as a reader can open it: a path becomes its page; a web address, and what is neither, stays as it is."""
        place = None if self.page is None else page_of(given)
        return given if place is None else f"{self.page}{place}"
