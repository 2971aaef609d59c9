"""Workflow nodes: typed, reusable steps around the toolkit. Packages add their own by the entry-point group."""

from datprl_nodes.node import GROUP, Job, Node, broken_nodes, describe, find_node, find_nodes

__all__ = ["GROUP", "Job", "Node", "broken_nodes", "describe", "find_node", "find_nodes"]
