"""Whom TLS trusts where no setting names a file of certificates."""

from __future__ import annotations

import ssl
from functools import cache

import httpx


@cache
def authorities() -> ssl.SSLContext:
    """The public authorities and those of this machine, read once for all clients: reading them takes longer than a request."""
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context
