"""Synthetic CT, MR and PET series for tests, of this package and of others: small, valid, and easily made hostile."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from datprl_toolkit.medical.provenance import code_item

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

Modality = Literal["CT", "MR", "PT"]
SOP_CLASSES: dict[Modality, str] = {
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "PT": "1.2.840.10008.5.1.4.1.1.128",
}
SPACING = 3.0  # mm between slices
CT_PADDING = -2000
ROOT = "1.2.826.0.1.3680043.10.1573"


def synthetic_uid(*parts: object) -> UID:
    """Return a valid identifier that is the same for the same parts."""
    digest = hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()
    return UID(f"{ROOT}.{int(digest[:24], 16)}")


def synthetic_slice(
    modality: Modality, index: int, *, rows: int = 40, columns: int = 48, series: str = "one"
) -> FileDataset:
    """Return one valid image: a noisy ellipse at slice position `index`, sorted as its InstanceNumber.

    CT: Hounsfield units in signed words, padding outside the circle of reconstruction. MR: 12 bits without rescale.
    PET: activity with a slope of its own in each slice, the first slice empty with slope 1.
    """
    dataset = FileDataset("", Dataset(), preamble=b"\0" * 128, file_meta=FileMetaDataset())
    _describe_patient(dataset)
    _describe_series(dataset, modality, series)
    dataset.SOPClassUID = UID(SOP_CLASSES[modality])
    dataset.SOPInstanceUID = synthetic_uid(modality, series, index)
    dataset.InstanceNumber = index + 1
    dataset.ImagePositionPatient = [-60.0, -50.0, -100.0 + SPACING * index]
    dataset.ImageOrientationPatient = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    dataset.PixelSpacing = [2.5, 2.5]
    dataset.SliceThickness = SPACING
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = rows, columns
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    describe = {"CT": _describe_ct, "MR": _describe_mr, "PT": _describe_pet}[modality]
    stored = describe(dataset, index, _phantom(rows, columns, index))
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    dataset.add_new("PixelData", "OW", stored.astype(stored.dtype.newbyteorder("<")).tobytes())
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return dataset


def write_synthetic_series(
    folder: Path,
    modality: Modality = "CT",
    slices: int = 6,
    *,
    change: Callable[[FileDataset, int], None] | None = None,
    series: str = "one",
) -> list[Path]:
    """Write a series with file names that say nothing about the order of its slices.

    Parameters
    ----------
    folder
        Made if it is not there.
    modality, slices, series
        Kind, number of slices, and a name that tells this series from others.
    change
        Called with each data set and its index before it is written, to make it hostile.

    Returns
    -------
    The files in the order of their positions.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index in range(slices):
        dataset = synthetic_slice(modality, index, series=series)
        if change is not None:
            change(dataset, index)
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.get("SOPInstanceUID", synthetic_uid("none"))
        path = folder / f"{hashlib.sha256(f'{modality}{series}{index}'.encode()).hexdigest()[:12]}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        paths.append(path)
    return paths


def _phantom(rows: int, columns: int, index: int) -> npt.NDArray[np.float64]:
    """Return values around 0 outside and 1 inside an ellipse, with noise: (rows, columns)."""
    generator = np.random.default_rng(index)
    y, x = np.mgrid[:rows, :columns]
    inside = ((y - rows / 2) / (rows * 0.35)) ** 2 + ((x - columns / 2) / (columns * 0.3)) ** 2 < 1
    phantom: npt.NDArray[np.float64] = inside + 0.1 * generator.standard_normal((rows, columns))
    return phantom


def _describe_patient(dataset: Dataset) -> None:
    dataset.SpecificCharacterSet = "ISO_IR 100"
    dataset.PatientName = "Synthetic^Phantom"
    dataset.PatientID = "PHANTOM"
    dataset.PatientBirthDate = "19700101"
    dataset.PatientSex = "O"
    dataset.PatientWeight = "75"
    dataset.PatientSize = "1.75"
    dataset.StudyInstanceUID = synthetic_uid("study")
    dataset.StudyID = "1"
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = "20200102"
    dataset.StudyTime, dataset.SeriesTime = "100000", "101500"
    dataset.AcquisitionTime, dataset.ContentTime = "101500", "102000"
    dataset.AccessionNumber = ""
    dataset.ReferringPhysicianName = ""


def _describe_series(dataset: Dataset, modality: Modality, series: str) -> None:
    dataset.Modality = modality
    dataset.Manufacturer = "Synthetic"
    dataset.SeriesInstanceUID = synthetic_uid(modality, series)
    dataset.SeriesNumber = 3
    dataset.SeriesDescription = f"{modality} {series}"
    dataset.FrameOfReferenceUID = synthetic_uid("frame of reference")
    dataset.PositionReferenceIndicator = ""
    dataset.BodyPartExamined = "CHEST"


def _describe_ct(dataset: Dataset, index: int, phantom: npt.NDArray[np.float64]) -> npt.NDArray[np.int16]:
    dataset.PatientPosition = "HFS"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.AcquisitionNumber = 1
    dataset.KVP = "120"
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = "1", "0", "HU"
    dataset.WindowCenter, dataset.WindowWidth = "40", "400"
    dataset.add_new("PixelPaddingValue", "SS", CT_PADDING)
    hounsfield = np.where(phantom > 0.5, 40 + 300 * (phantom - 1), -1000 + 50 * phantom)
    hounsfield[:, 24:26] = 700  # bone, above the window
    hounsfield[:4] = CT_PADDING
    return np.rint(hounsfield).astype(np.int16)


def _describe_mr(dataset: Dataset, index: int, phantom: npt.NDArray[np.float64]) -> npt.NDArray[np.uint16]:
    dataset.PatientPosition = "HFS"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    dataset.ScanningSequence, dataset.SequenceVariant = "SE", "NONE"
    dataset.ScanOptions = ""
    dataset.MRAcquisitionType = "2D"
    dataset.EchoTime, dataset.RepetitionTime = "12", "500"
    dataset.EchoTrainLength = "1"
    dataset.MagneticFieldStrength = "1.5"
    dataset.BitsStored, dataset.HighBit = 12, 11
    return np.clip(np.rint(60 + 900 * phantom * (1 + 0.05 * index)), 0, 4095).astype(np.uint16)


def _describe_pet(dataset: Dataset, index: int, phantom: npt.NDArray[np.float64]) -> npt.NDArray[np.int16]:
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.SeriesType = ["STATIC", "IMAGE"]
    dataset.Units, dataset.CountsSource = "BQML", "EMISSION"
    dataset.DecayCorrection = "START"
    dataset.CorrectedImage = ["DECY", "ATTN", "SCAT", "DTIM", "RAN", "NORM"]
    dataset.NumberOfSlices = 6
    dataset.ImageIndex = index + 1
    dataset.CollimatorType = "NONE"
    dataset.FrameReferenceTime, dataset.ActualFrameDuration = "90000", "180000"
    dataset.DecayFactor = "1.01"
    dataset.DoseCalibrationFactor = dataset.ScatterFractionFactor = "1"
    dataset.AttenuationCorrectionMethod = dataset.ScatterCorrectionMethod = "CT"
    dataset.ReconstructionMethod, dataset.RandomsCorrectionMethod = "OSEM", "DLYD"
    _describe_injection(dataset)
    activity = np.maximum(0.0, 8000 * phantom) * (1 + index)
    if index == 0:
        activity[:] = 0
    slope = float(activity.max() / 32767) if index else 1.0
    dataset.RescaleSlope, dataset.RescaleIntercept = f"{slope:.10g}", "0"
    return np.rint(activity / float(dataset.RescaleSlope)).clip(0, 32767).astype(np.int16)


def _describe_injection(dataset: Dataset) -> None:
    injection = Dataset()
    injection.Radiopharmaceutical = "Fluorodeoxyglucose"
    injection.RadiopharmaceuticalStartTime = "091500"
    injection.RadionuclideTotalDose = "370000000"
    injection.RadionuclideHalfLife = "6586.2"
    injection.RadionuclidePositronFraction = "0.97"
    injection.RadionuclideCodeSequence = [code_item(("77004003", "SCT", "^18^Fluorine"))]
    injection.RadiopharmaceuticalCodeSequence = [code_item(("35321007", "SCT", "Fluorodeoxyglucose F^18^"))]
    dataset.RadiopharmaceuticalInformationSequence = [injection]
    position = code_item(("102538003", "SCT", "recumbent"))
    position.PatientOrientationModifierCodeSequence = [code_item(("40199007", "SCT", "supine"))]
    dataset.PatientOrientationCodeSequence = [position]
    dataset.PatientGantryRelationshipCodeSequence = [code_item(("102540001", "SCT", "headfirst"))]
    window = Dataset()
    window.EnergyWindowLowerLimit, window.EnergyWindowUpperLimit = "425", "650"
    dataset.EnergyWindowRangeSequence = [window]
