"""The catalogue: every family that Stakewarden can emit, by name. Rules and dashboards are checked against it."""

from monitor.catalogue.catalogue import Catalogue, UnknownFamily
from monitor.catalogue.shipped import SHIPPED

__all__ = ["SHIPPED", "Catalogue", "UnknownFamily"]
