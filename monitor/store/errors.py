"""What can go wrong with the store: each says what, where and what to do, never with a password."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError

from monitor.model.secrecy import veiled


def said(error: DBAPIError) -> str:
    """The first line of what the database, or its driver, says. They name host and user; a proxy between may tell more, so it is veiled."""
    return (veiled(str(error.orig)).strip().splitlines() or [type(error.orig).__name__])[0]


class StoreError(Exception):
    """Something is wrong with the store: ``what``, at ``where`` (a URL without its password), and the ``remedy``."""

    def __init__(self, what: str, where: str, remedy: str) -> None:
        super().__init__(f"store {where}: {what}; {remedy}")
        self.what, self.where, self.remedy = what, where, remedy


class BadUrl(StoreError):
    """The store's URL cannot be used at all."""


class Unreachable(StoreError):
    """The database did not answer, refused us, or its directory is missing."""


class SchemaMismatch(StoreError):
    """The database's schema is not the one that this version works with."""


class LeaseLost(Exception):
    """Another process holds the lease now: what this process wanted to commit was rolled back, and it must stop acting."""

    def __init__(self, name: str, epoch: int, now: str) -> None:
        super().__init__(f"lease {name!r} of epoch {epoch} is lost: {now}; this process must not act any more")
        self.name, self.epoch = name, epoch


class NotOnBranch(LookupError):
    """A block stamp is not on the journal's current branch."""

    def __init__(self, stamp: object, remedy: str) -> None:
        super().__init__(f"{stamp} is not on the journal's current branch; {remedy}")


class Thinned(LookupError):
    """The journal does not hold all frames of the wanted span any more."""
