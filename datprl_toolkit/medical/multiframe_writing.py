"""Restored frames back into an enhanced multi-frame image: one file, each frame with its own derivation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydicom.dataset import Dataset

from datprl_toolkit.medical import header
from datprl_toolkit.medical.derive import (
    DerivedSeries,
    as_little_endian,
    derived_image_type,
    drop_overlays,
    mark_lossy_source,
    set_activity_padding,
    set_pixels,
    start_derivation,
)
from datprl_toolkit.medical.encoding import activity_slope, encode_activity, encode_in_place
from datprl_toolkit.medical.enhanced_pet import rescale_frames
from datprl_toolkit.medical.enlarging import write_grid
from datprl_toolkit.medical.multiframe import FRAME_TYPE_SEQUENCES
from datprl_toolkit.medical.provenance import Provenance, source_item
from datprl_toolkit.medical.write import save, source_errors

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    from pydicom.dataset import FileDataset

    from datprl_toolkit.medical.pixels import StoredArray
    from datprl_toolkit.medical.volume import Slice, Volume

# MR Pulse Sequence module (PS3.3 C.8.13.4): how an original image was acquired; the attributes shall not be present
# where Image Type is DERIVED (dciodvfy: "present when condition unsatisfied"). The source image keeps them.
ORIGINAL_MR_ONLY = (
    "PulseSequenceName",
    "MRAcquisitionType",
    "EchoPulseSequence",
    "MultipleSpinEcho",
    "MultiPlanarExcitation",
    "PhaseContrast",
    "VelocityEncodingAcquisitionSequence",
    "TimeOfFlightContrast",
    "ArterialSpinLabelingContrast",
    "SteadyStatePulseSequence",
    "EchoPlanarPulseSequence",
    "SaturationRecovery",
    "SpectrallySelectedSuppression",
    "OversamplingPhase",
    "GeometryOfKSpaceTraversal",
    "SegmentedKSpaceTraversal",
    "RectilinearPhaseEncodeReordering",
    "NumberOfKSpaceTrajectories",
    "CoverageOfKSpace",
)
# In an enhanced image these stand in each frame's Derivation Image Sequence (PS3.3 C.7.6.16.2.6).
CLASSIC_ONLY = ("DerivationDescription", "DerivationCodeSequence")


class MultiframeWriter:
    """Collects the restored frames of one enhanced image and writes it when all are there.

    The frames are held in memory, as the source is while it is read: as they are stored, or of a PET as float32,
    since the slope is known only at the end. A PET whose frames share one slope keeps one slope, because other
    readers apply the first to all.

    Parameters
    ----------
    volume
        The frames of one enhanced image.
    derived
        What the new series says of itself.
    folder
        An existing folder, which becomes visible under its final name only when all is written.
    """

    def __init__(self, volume: Volume, derived: DerivedSeries, folder: Path) -> None:
        self._volume = volume
        self._derived = derived
        self._path = folder / "0001.dcm"
        self._pixel_format = volume.slices[0].pixel_format
        activity = volume.modality == "PT"
        self._frames = np.zeros(volume.shape, dtype=np.float32 if activity else self._pixel_format.dtype)
        self._padding = np.zeros(volume.shape if activity and self._pixel_format.padding else (0,), dtype=np.bool_)
        self.overlays_dropped = 0

    def write(
        self,
        index: int,
        stored: StoredArray,
        original: npt.NDArray[np.float64],
        restored: npt.NDArray[np.float64],
    ) -> npt.NDArray[np.float64]:
        """Take one frame; arguments and result as for :meth:`datprl_toolkit.medical.write.SeriesWriter.write`."""
        image = self._volume.slices[index]
        frame = image.frame or 0
        if self._volume.modality == "PT":
            self._frames[frame] = restored
            if self._padding.size:
                self._padding[frame] = image.pixel_format.padding_mask(stored)
            return restored
        encoded = encode_in_place(stored, original, restored, image.pixel_format, image.rescale)
        self._frames[frame] = encoded.stored
        return encoded.to_physical()

    def finish(self) -> None:
        """Write the image."""
        image = self._volume.slices[0]
        source = header.read_dataset(image.path, pixels=True)
        with source_errors(image), header.tolerant_pydicom():
            self.overlays_dropped += drop_overlays(source, image)
            mark_lossy_source(source, image.pixel_format)
            source = as_little_endian(source)
            _derive_multiframe(source, image, self._derived)
            write_grid(source, sorted(self._volume.slices, key=lambda each: each.frame or 0))
            if self._volume.modality == "PT":
                self._set_activity(source)
            else:
                set_pixels(source, self._frames.tobytes(), image.pixel_format)
            save(source, self._path)

    def _set_activity(self, source: FileDataset) -> None:
        """Store activity anew, and say by which rescale."""
        before = [image.rescale for image in sorted(self._volume.slices, key=lambda image: image.frame or 0)]
        peaks = [self._peak(frame) for frame in range(len(before))]
        own = [slope for slope in map(activity_slope, peaks) if slope is not None]
        empty = float(np.median(own)) if own else abs(before[0].slope)
        common = activity_slope(max(peaks)) or empty if len(set(before)) == 1 else None
        frames = [
            encode_activity(values.astype(np.float64), self._mask(frame), self._pixel_format, empty, common)
            for frame, values in enumerate(self._frames)
        ]
        # Where padding reads as 0 in all frames it stays 0; else one value marks it in all of them.
        marked = min(frames, key=lambda encoded: encoded.pixel_format.padding or (0, 0)).pixel_format
        rescale_frames(source, before, [encoded.rescale for encoded in frames])
        set_activity_padding(source, marked)
        set_pixels(source, b"".join(encoded.stored.tobytes() for encoded in frames), marked)

    def _mask(self, frame: int) -> npt.NDArray[np.bool_]:
        """Return where a frame holds padding."""
        return self._padding[frame] if self._padding.size else np.zeros(self._frames.shape[1:], dtype=np.bool_)

    def _peak(self, frame: int) -> float:
        """Return the largest magnitude of a frame, padding left out."""
        return float(np.abs(np.where(self._mask(frame), 0, self._frames[frame])).max())


def _derive_multiframe(source: FileDataset, image: Slice, series: DerivedSeries) -> None:
    """Turn the data set of an enhanced source into that of the restored image, in place, pixels excepted."""
    provenance = series.provenance
    evidence = _evidence_item(source, image)
    earlier = {keyword: source[keyword] for keyword in CLASSIC_ONLY if keyword in source}
    start_derivation(source, series, series.identifier("image", image.sop_instance_uid))
    for keyword in CLASSIC_ONLY:
        del source[keyword]
    for element in earlier.values():
        source.add(element)
    source.ImageType = derived_image_type(source, provenance.modality)
    if provenance.modality == "MR":
        for keyword in ORIGINAL_MR_ONLY:
            if keyword in source:
                delattr(source, keyword)
    source.SourceImageEvidenceSequence = [*header.items(source, "SourceImageEvidenceSequence"), evidence]
    _derive_frames(source, image, provenance)


def _evidence_item(source: Dataset, image: Slice) -> Dataset:
    """Return the item of Source Image Evidence Sequence (0008,9154) that names the source image (PS3.3 C.7.6.16.1)."""
    instance = Dataset()
    instance.ReferencedSOPClassUID = image.sop_class_uid
    instance.ReferencedSOPInstanceUID = image.sop_instance_uid
    series = Dataset()
    series.SeriesInstanceUID = header.text(source, "SeriesInstanceUID")
    series.ReferencedSOPSequence = [instance]
    item = Dataset()
    item.StudyInstanceUID = header.text(source, "StudyInstanceUID")
    item.ReferencedSeriesSequence = [series]
    return item


def _derive_frames(source: Dataset, image: Slice, provenance: Provenance) -> None:
    """Mark each frame as derived and name the frame it was made from (PS3.3 C.7.6.16.2.6)."""
    shared = header.items(source, "SharedFunctionalGroupsSequence")
    per_frame = header.items(source, "PerFrameFunctionalGroupsSequence")
    keyword = FRAME_TYPE_SEQUENCES[provenance.modality]
    for groups in (*shared, *per_frame):
        for item in header.items(groups, keyword):
            values = list(header.texts(item, "FrameType"))
            if values:
                item.FrameType = ["DERIVED", *values[1:]]
    inherited = [item for groups in shared for item in header.items(groups, "DerivationImageSequence")]
    for groups in shared:
        if "DerivationImageSequence" in groups:
            del groups.DerivationImageSequence
    for number, groups in enumerate(per_frame, start=1):
        own = header.items(groups, "DerivationImageSequence")
        groups.DerivationImageSequence = [*inherited, *own, _derivation_item(image, number, provenance)]


def _derivation_item(image: Slice, number: int, provenance: Provenance) -> Dataset:
    reference = source_item(image.sop_class_uid, image.sop_instance_uid, same_places=provenance.scale == 1)
    reference.ReferencedFrameNumber = number
    item = Dataset()
    item.DerivationDescription = provenance.description()
    item.DerivationCodeSequence = provenance.derivation_codes()
    item.SourceImageSequence = [reference]
    return item
