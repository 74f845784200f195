"""Properties are judged by their result; how long an example takes depends on who else uses the machine."""

from hypothesis import settings

settings.register_profile("busy", deadline=None)
settings.load_profile("busy")
