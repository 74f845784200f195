"""The store: engine, unit of work, tables, the journal of frames, the lease, migrations."""

from monitor.store.errors import BadUrl, LeaseLost, NotOnBranch, SchemaMismatch, StoreError, Thinned, Unreachable
from monitor.store.lease import Lease
from monitor.store.store import Store
from monitor.store.unit import Unit

__all__ = ["BadUrl", "Lease", "LeaseLost", "NotOnBranch", "SchemaMismatch", "Store", "StoreError", "Thinned", "Unit", "Unreachable"]
