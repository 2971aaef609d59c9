"""Ordinary pictures: PNG, JPEG and their like, one or a folder of them."""

from datprl_toolkit.images.restore import ImageOptions, is_image, restore_images

__all__ = ["ImageOptions", "is_image", "restore_images"]
