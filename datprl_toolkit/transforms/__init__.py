"""The toolkit's functions as MONAI and TorchIO transforms: `transforms.monai` and `transforms.torchio`.

Neither package is imported before one of the two is.
"""

from datprl_toolkit.transforms.volume import restore_volume

__all__ = ["restore_volume"]
