"""The page, health, readiness and metrics."""
