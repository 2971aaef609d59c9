"""Pictures from results, for a person to look at."""

from datprl_toolkit.reports.preview import write_preview

__all__ = ["write_preview"]
