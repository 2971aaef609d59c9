"""Series whose network answers are kept: blended at any strength without the network, shown and written alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from datprl_toolkit.errors import ErrorCode, OptionError
from datprl_toolkit.files import check_absent, check_apart, staged_folder
from datprl_toolkit.medical.derive import DerivedSeries, free_series_number
from datprl_toolkit.medical.encoding import encode_activity, encode_in_place
from datprl_toolkit.medical.multiframe_writing import MultiframeWriter
from datprl_toolkit.medical.provenance import USUAL, Provenance
from datprl_toolkit.medical.write import SeriesWriter
from datprl_toolkit.restoring import Progress, ProgressCallback, silent

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    import numpy.typing as npt

    from datprl_toolkit.intensity import IntensityProfile
    from datprl_toolkit.medical.options import DicomOptions
    from datprl_toolkit.medical.pixels import StoredArray
    from datprl_toolkit.medical.volume import Slice, Volume
    from datprl_toolkit.weights import WeightsCard


def blend(
    image: Slice,
    stored: StoredArray,
    answer: npt.NDArray[np.float32],
    profile: IntensityProfile,
    strength: float,
) -> npt.NDArray[np.float64]:
    """Return the restored physical values of one slice, padding as it was.

    Parameters
    ----------
    image, stored
        The slice and its stored values, (rows, columns).
    answer
        What the network made of the slice, in [0, 1], as
        :meth:`datprl_toolkit.restoring.stack.StackRestorer.answer` gives it.
    profile
        Window that the network saw.
    strength
        Share of the change that is applied, 0 to 1.
    """
    original = image.rescale.to_physical(stored)
    restored = profile.apply(original, profile.to_unit(original), answer, strength=strength)
    return np.where(image.pixel_format.padding_mask(stored), original, restored)


def written_values(
    volume: Volume,
    index: int,
    stored: StoredArray,
    answer: npt.NDArray[np.float32],
    profile: IntensityProfile,
    strength: float,
) -> npt.NDArray[np.float64]:
    """Return the physical values that a reader of the written series will see in one slice; arguments as `blend`."""
    image = volume.slices[index]
    restored = blend(image, stored, answer, profile, strength)
    if volume.modality != "PT":
        original = image.rescale.to_physical(stored)
        return encode_in_place(stored, original, restored, image.pixel_format, image.rescale).to_physical()
    padding = image.pixel_format.padding_mask(stored)
    encoded = encode_activity(restored, padding, image.pixel_format, empty_slope=1.0).to_physical()
    return np.where(padding, restored, encoded)


def write_blended(
    volume: Volume,
    answer: Callable[[int], npt.NDArray[np.float32]],
    profile: IntensityProfile,
    card: WeightsCard,
    destination: Path,
    options: DicomOptions,
    *,
    created: datetime,
    self_ensemble: bool = False,
    arithmetic: str = USUAL,
    taken: frozenset[int] = frozenset(),
    progress: ProgressCallback = silent,
) -> str:
    """Write a series as the command line would, from answers that the network gave before.

    Parameters
    ----------
    volume, profile
        The source and the window that the network saw.
    answer
        Returns what the network made of the slice at an index, in [0, 1].
    card
        Of the weights that answered.
    destination
        Folder for the new series; it appears when everything is written.
    options
        Strength, private attributes, overwriting.
    created
        When it was made.
    self_ensemble
        Whether the answers are means over mirror images.
    arithmetic
        In which the network answered; see :attr:`datprl_toolkit.restoring.Restorer.arithmetic`.
    taken
        Series numbers that are in use.
    progress
        Told after each slice; an exception that it raises cancels.

    Returns
    -------
    One line that says what was written.

    Raises
    ------
    DatprlError
        As :func:`datprl_toolkit.medical.restore.restore_dicom`; nothing is left behind.
    """
    _check_destination(volume, destination, overwrite=options.overwrite)
    provenance = Provenance.of(
        volume, card, profile, options.strength, created, self_ensemble=self_ensemble, arithmetic=arithmetic
    )
    derived = DerivedSeries(provenance, free_series_number(volume.series_number, set(taken)), options.private)
    open_writer = MultiframeWriter if volume.enhanced else SeriesWriter
    total = len(volume.slices)
    with staged_folder(destination, overwrite=options.overwrite, recognised=True) as folder:
        writer = open_writer(volume, derived, folder)
        for index, image in enumerate(volume.slices):
            stored = image.read_stored()
            original = image.rescale.to_physical(stored)
            writer.write(index, stored, original, blend(image, stored, answer(index), profile, options.strength))
            progress(Progress("writing", index + 1, total, "slices"))
        writer.finish()
    return f"{total} slices written"


def _check_destination(volume: Volume, destination: Path, *, overwrite: bool) -> None:
    """Refuse a folder that exists, that holds the source, or that would be read as part of it the next time."""
    check_absent(destination, overwrite=overwrite)
    for folder in {image.path.parent for image in volume.slices}:
        check_apart(folder, destination)
        if destination.resolve().is_relative_to(folder.resolve()):
            raise OptionError(
                ErrorCode.OPTION,
                "the output lies inside the folder of the source and would be read as input the next time",
                where=destination,
                remedy="Choose a folder outside",
            )
