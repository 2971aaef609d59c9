"""What all tests share: no clock decides a test, and tools that are missing are said."""

from __future__ import annotations

from hypothesis import settings

# How long an example takes says something of the machine, not of the code.
settings.register_profile("no clock", deadline=None)
settings.load_profile("no clock")
