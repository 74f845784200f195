"""The store: engine, unit of work, tables, the journal of frames, the lease, migrations."""

from monitor.store import journal, lease
from monitor.store.entry import JudgedEntry, ReplayEntry
from monitor.store.errors import BadUrl, LeaseLost, NotOnBranch, SchemaMismatch, StoreError, Thinned, Unreachable
from monitor.store.lease import Lease
from monitor.store.retention import Retention, prune
from monitor.store.store import Store
from monitor.store.unit import Unit

__all__ = [
    "BadUrl", "JudgedEntry", "Lease", "LeaseLost", "NotOnBranch", "ReplayEntry", "Retention", "SchemaMismatch", "Store", "StoreError", "Thinned", "Unit",
    "Unreachable", "journal", "lease", "prune",
]  # fmt: skip
