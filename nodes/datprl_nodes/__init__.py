"""Workflow nodes: typed, reusable steps around the toolkit. Packages add their own by the entry-point group."""

from datprl_nodes.node import GROUP, Node, find_nodes
from datprl_nodes.restore import Restore

__all__ = ["GROUP", "Node", "Restore", "find_nodes"]
