"""Synthetic multi-frame images: Enhanced PET, and classic series that highdicom converts to legacy ones."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import UID

from datprl_toolkit.medical.testing import SPACING, Modality, synthetic_slice, synthetic_uid

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ORDER = (2, 0, 3, 1)  # frames do not lie in the order of their positions
LEGACY = {"CT": "CT", "MR": "MR", "PT": "PET"}
PATIENT = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "PatientWeight", "PatientSize")
STUDY = ("StudyInstanceUID", "StudyID", "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName")
IMAGE = (
    "SpecificCharacterSet",
    "FrameOfReferenceUID",
    "PositionReferenceIndicator",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "PatientOrientationCodeSequence",
    "PatientGantryRelationshipCodeSequence",
    "EnergyWindowRangeSequence",
)


def group(**attributes: object) -> Dataset:
    """Return an item of a sequence."""
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item


def code(value: str, scheme: str, meaning: str) -> Dataset:
    """Return an item of a code sequence."""
    return group(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)


def enhanced_pet(path: Path, *, common_slope: bool = False) -> FileDataset:
    """Write a valid Enhanced PET (PS3.3 A.56) whose activity stands in its Real World Value Mapping.

    Frames are rescaled to percent of the hottest voxel besides, which no reader may take for activity.
    """
    classic = [synthetic_slice("PT", index) for index in ORDER]
    dataset = FileDataset("", Dataset(), preamble=b"\0" * 128, file_meta=classic[0].file_meta)
    for keyword in (*PATIENT, *STUDY, *IMAGE):
        setattr(dataset, keyword, classic[0][keyword].value)
    _describe(dataset, classic[0])
    slopes = [float(image.RescaleSlope) for image in classic]
    frames = [image.pixel_array for image in classic]
    if common_slope:
        widest = max(slopes[0:1] + slopes[2:])
        frames = [np.rint(f * (s / widest)).astype(np.int16) for f, s in zip(frames, slopes, strict=True)]
        slopes = [widest] * len(frames)
    dataset.PixelData = b"".join(frame.tobytes() for frame in frames)
    dataset["PixelData"].VR = "OW"
    dataset.SharedFunctionalGroupsSequence = [_shared()]
    dataset.PerFrameFunctionalGroupsSequence = [
        _frame(number, index, slope) for number, (index, slope) in enumerate(zip(ORDER, slopes, strict=True))
    ]
    if common_slope:
        shared, frames_groups = dataset.SharedFunctionalGroupsSequence[0], dataset.PerFrameFunctionalGroupsSequence
        for keyword in ("PixelValueTransformationSequence", "RealWorldValueMappingSequence"):
            setattr(shared, keyword, frames_groups[0][keyword].value)
            for groups in frames_groups:
                delattr(groups, keyword)
    dataset.save_as(path, enforce_file_format=True)
    return dataset


def _describe(dataset: FileDataset, classic: FileDataset) -> None:
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.130")
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = synthetic_uid("enhanced PET")
    dataset.Modality = "PT"
    dataset.SeriesInstanceUID, dataset.SeriesNumber = synthetic_uid("enhanced PET series"), 4
    dataset.SeriesDescription = "enhanced PET"
    dataset.SeriesDate, dataset.SeriesTime = "20200102", "110000"  # later: the dose is not decayed to it
    dataset.ContentDate, dataset.ContentTime, dataset.InstanceNumber = "20200102", "102000", 1
    dataset.Manufacturer, dataset.ManufacturerModelName = "Synthetic", "Enhanced"
    dataset.DeviceSerialNumber, dataset.SoftwareVersions = "1", "1"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "STATIC", "NONE"]
    dataset.PixelPresentation, dataset.VolumetricProperties = "MONOCHROME", "VOLUME"
    dataset.VolumeBasedCalculationTechnique, dataset.ContentQualification = "NONE", "RESEARCH"
    dataset.AcquisitionNumber, dataset.AcquisitionDateTime, dataset.AcquisitionDuration = 1, "20200102101500", 180.0
    dataset.BurnedInAnnotation, dataset.LossyImageCompression, dataset.PresentationLUTShape = "NO", "00", "IDENTITY"
    dataset.NumberOfFrames = len(ORDER)
    dataset.AcquisitionContextSequence = []
    dataset.TableMotion, dataset.TimeOfFlightInformationUsed = "STATIC", "FALSE"
    dataset.TypeOfDetectorMotion = "STATIONARY"
    dataset.TransverseDetectorSeparation, dataset.AxialDetectorDimension = 800.0, 160.0
    dataset.ViewCodeSequence = [code("24422004", "SCT", "Axial")]
    dataset.SliceProgressionDirection = "APEX_TO_BASE"
    dataset.CollimatorType, dataset.DetectorGeometry = "NONE", "CYLINDRICAL_RING"
    dataset.AcquisitionStartCondition = dataset.AcquisitionTerminationCondition = "MANU"
    dataset.CoincidenceWindowWidth = 4.0
    dataset.CountsSource = "EMISSION"
    dataset.DecayCorrected, dataset.DecayCorrectionDateTime = "YES", "20200102101500"
    for keyword in ("Attenuation", "Scatter", "DeadTime", "Randoms"):
        setattr(dataset, f"{keyword}Corrected", "YES")
    for keyword in ("GantryMotion", "PatientMotion", "CountLossNormalization", "NonUniformRadialSampling"):
        setattr(dataset, f"{keyword}Corrected", "NO")
    dataset.SensitivityCalibrated = dataset.DetectorNormalizationCorrection = "YES"
    dataset.AttenuationCorrectionSource, dataset.AttenuationCorrectionTemporalRelationship = "CT", "SIMULTANEOUS"
    dataset.ScatterCorrectionMethod, dataset.RandomsCorrectionMethod = "MODEL", "DLYD"
    injection = classic.RadiopharmaceuticalInformationSequence[0]
    injection.RadiopharmaceuticalAgentNumber = 1
    injection.RadiopharmaceuticalStartDateTime = "20200102091500"
    injection.RadiopharmaceuticalStopDateTime = "20200102091510"
    injection.RadiopharmaceuticalVolume = "1"
    injection.AdministrationRouteCodeSequence = [code("47625008", "SCT", "Intravenous route")]
    del injection.RadiopharmaceuticalStartTime
    dataset.RadiopharmaceuticalInformationSequence = [injection]
    organization = synthetic_uid("dimensions")
    dataset.DimensionOrganizationSequence = [group(DimensionOrganizationUID=organization)]
    dataset.DimensionIndexSequence = [
        group(
            DimensionOrganizationUID=organization,
            DimensionIndexPointer=0x00209057,
            FunctionalGroupPointer=0x00209111,
        )
    ]


def _shared() -> Dataset:
    return group(
        PlaneOrientationSequence=[group(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])],
        PixelMeasuresSequence=[group(PixelSpacing=[2.5, 2.5], SliceThickness="3")],
        PETFrameTypeSequence=[
            group(
                FrameType=["ORIGINAL", "PRIMARY", "STATIC", "NONE"],
                PixelPresentation="MONOCHROME",
                VolumetricProperties="VOLUME",
                VolumeBasedCalculationTechnique="NONE",
            )
        ],
        FrameAnatomySequence=[
            group(AnatomicRegionSequence=[code("816094009", "SCT", "Chest")], FrameLaterality="U"),
        ],
        RadiopharmaceuticalUsageSequence=[group(RadiopharmaceuticalAgentNumber=1)],
        PETFrameAcquisitionSequence=[
            group(TableHeight=0.0, GantryDetectorTilt=0.0, GantryDetectorSlew=0.0, DataCollectionDiameter=700.0)
        ],
        PETFrameCorrectionFactorsSequence=[
            group(
                PrimaryPromptsCountsAccumulated=1000,
                SliceSensitivityFactor=1.0,
                DecayFactor=1.0,
                ScatterFractionFactor=0.3,
                DeadTimeFactor=1.0,
            )
        ],
        PETReconstructionSequence=[
            group(
                ReconstructionType="3D",
                ReconstructionAlgorithm="ITERATIVE",
                IterativeReconstructionMethod="YES",
                NumberOfIterations=3,
                NumberOfSubsets=8,
                ReconstructionDiameter=120.0,
            )
        ],
        PETPositionSequence=[
            group(TablePosition=0.0, DataCollectionCenterPatient=[0, 0, 0], ReconstructionTargetCenterPatient=[0, 0, 0])
        ],
        PETDetectorMotionDetailsSequence=[group(RotationDirection="CW", RevolutionTime=1.0)],
    )


def _frame(number: int, index: int, slope: float) -> Dataset:
    activity = group(
        RealWorldValueFirstValueMapped=0,
        RealWorldValueIntercept=0.0,
        RealWorldValueSlope=slope,
        LUTExplanation="Activity concentration",
        LUTLabel="BQML",
        MeasurementUnitsCodeSequence=[code("Bq/ml", "UCUM", "Becquerels/milliliter")],
    )
    for keyword, end in (("RealWorldValueFirstValueMapped", 0), ("RealWorldValueLastValueMapped", 32767)):
        activity.add_new(keyword, "SS", end)
    return group(
        FrameContentSequence=[
            group(
                FrameReferenceDateTime="20200102101500",
                FrameAcquisitionDateTime="20200102101500",
                FrameAcquisitionDuration=180000.0,
                StackID="1",
                TemporalPositionIndex=1,
                InStackPositionNumber=index + 1,
                DimensionIndexValues=[index + 1],
            )
        ],
        PlanePositionSequence=[group(ImagePositionPatient=[-60, -50, SPACING * index])],
        PixelValueTransformationSequence=[
            group(RescaleSlope=f"{slope / 300:.10g}", RescaleIntercept="0", RescaleType="US"),
        ],
        RealWorldValueMappingSequence=[activity],
    )


def legacy_converted(path: Path, modality: Modality, images: Sequence[FileDataset]) -> FileDataset:
    """Write classic images as one legacy converted image, as highdicom does it."""
    legacy: Any = importlib.import_module("highdicom.legacy")
    convert = getattr(legacy, f"LegacyConvertedEnhanced{LEGACY[modality]}Image")
    dataset: FileDataset = convert(
        images,
        series_instance_uid=synthetic_uid("legacy", modality),
        series_number=7,
        sop_instance_uid=synthetic_uid("legacy image", modality),
        instance_number=1,
    )
    dataset.save_as(path, enforce_file_format=True)
    return dataset
