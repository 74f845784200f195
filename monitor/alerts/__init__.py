"""Incidents, routes, silences, and the outbox: from what alerts do to what people are told."""

from monitor.alerts.book import Book, CommandRefused, Judged, open_incidents, pauses_of
from monitor.alerts.deliveries import Waiting, waiting
from monitor.alerts.desk import ActiveSilence, active_silences
from monitor.alerts.links import Links
from monitor.alerts.outbox import Health, Outbox, Patience
from monitor.alerts.retention import forget
from monitor.alerts.routes import BadRoutes, Routes, load_routes, parse_routes

__all__ = [
    "ActiveSilence",
    "BadRoutes",
    "Book",
    "CommandRefused",
    "Health",
    "Judged",
    "Links",
    "Outbox",
    "Patience",
    "Routes",
    "Waiting",
    "active_silences",
    "forget",
    "load_routes",
    "open_incidents",
    "parse_routes",
    "pauses_of",
    "waiting",
]
