"""Workflow nodes: typed, reusable steps around the toolkit. Packages add their own by the entry-point group.

The core is what a node is (:mod:`~datprl_nodes.node`), what flows between nodes (:mod:`~datprl_nodes.ports`) and how
nodes are found (:mod:`~datprl_nodes.registry`). On it stand

* files: :mod:`~datprl_nodes.values` opens, keeps and hands out what flows; :mod:`~datprl_nodes.calling` runs one node
  from files to files;
* workflows: a file (``workflow``, ``schema``) is checked as a whole (``checking``), bound to files (``tasks``), run on
  Dask (``running``, ``devices``) with its results kept (``store``, ``digests``), recorded (``provenance``) and drawn
  (``drawing``, ``layout``), all of it behind one function (``api``);
* the nodes that are shipped: ``reading``, ``writing``, ``selecting``, ``degrading``, ``restoring``, ``looking``;
* adapters for other engines, made from the same descriptions: ``comfyui``, ``nipype``, ``monai_deploy``.
"""

from datprl_nodes.node import Job, Node, describe
from datprl_nodes.registry import GROUP, broken_nodes, find_node, find_nodes

__all__ = ["GROUP", "Job", "Node", "broken_nodes", "describe", "find_node", "find_nodes"]
