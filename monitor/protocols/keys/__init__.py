"""Keys of validators: what was read of the protocols' registries (``book.KeyBook``), and reading it (``reader.KeyReader``).

``book = await store.look(lambda unit: rows.load(unit, protocols))`` at the start; ``KeyReader(...).work(...)`` beside the pipeline; and
``book.owners(pubkeys, withdrawal_credentials)`` for each evaluated state.
"""
