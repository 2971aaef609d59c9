"""A way round a fault of Mesa's software renderer, which ends the process when layers are removed.

On a machine without a graphics processor Mesa (22.3 of Debian 12: llvmpipe and softpipe) crashes in the next drawing
after shader programs were deleted while a layer is hidden, although all that OpenGL is told is valid. Comparing adds
and removes layers, and remote desktops draw in software, so programs are kept there; they are small.
"""

from __future__ import annotations

from functools import cache

SOFTWARE = ("llvmpipe", "softpipe", "swrast")


@cache
def keep_programs() -> None:
    """Have vispy delete no shader program where OpenGL is drawn in software; elsewhere nothing changes."""
    from vispy.gloo.glir import GlirProgram

    delete = GlirProgram.delete

    def delete_in_hardware(self: GlirProgram) -> None:
        if not _is_software():
            delete(self)

    GlirProgram.delete = delete_in_hardware


@cache
def _is_software() -> bool:
    """Return whether OpenGL is drawn in software; vispy deletes while its context is current, so it can be asked."""
    from vispy.gloo import gl

    renderer = str(gl.glGetParameter(gl.GL_RENDERER)).lower()
    return any(name in renderer for name in SOFTWARE)
