"""De-identify DICOM: one function for every way in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datprl_toolkit.files import check_place
from datprl_toolkit.jobs.outputs import check_folder_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from datprl_toolkit.medical.deidentifying import Deidentified
    from datprl_toolkit.restoring import ProgressCallback


def deidentify(
    sources: Sequence[Path], destination: Path, *, overwrite: bool = False, progress: ProgressCallback
) -> Deidentified:
    """Write copies without the identity of the patient; as :func:`datprl_toolkit.medical.deidentifying.deidentify`."""
    from datprl_toolkit.medical.deidentifying import deidentify as write_copies

    check_folder_name(destination, "de-identified copies are", "Give the name of a folder")
    check_place(destination)
    return write_copies(sources, destination, overwrite=overwrite, progress=progress)
