"""Restore medical, satellite and natural images with the DATPRL-IR network."""

__version__ = "0.1.0"
