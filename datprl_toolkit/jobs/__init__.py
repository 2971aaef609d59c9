"""The main job, the same from the command line, the nodes, the plugin and Python: find out what it is, restore it."""

from datprl_toolkit.jobs.restore import RestoreOptions, restore

__all__ = ["RestoreOptions", "restore"]
