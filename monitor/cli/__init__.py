"""The command line: ``stakewarden``, or ``python -m monitor.cli``."""
