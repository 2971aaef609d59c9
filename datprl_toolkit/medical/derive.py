"""The header of a restored image: what is kept of the source, what is new, what no longer holds and goes.

The lists follow PS3.3 (C.7.6.1 General Image, C.8.9.4 PET Image, C.12.1 SOP Common) and have been checked with
dciodvfy: a restored series has no error that its source did not have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.tag import Tag
from pydicom.uid import UID, ExplicitVRLittleEndian
from pydicom.valuerep import DSfloat

from datprl_toolkit.medical import header
from datprl_toolkit.medical.enlarging import EnlargedSlice, write_grid
from datprl_toolkit.medical.private_tags import PrivatePolicy, filter_private
from datprl_toolkit.medical.provenance import IDENTIFIER_NAMESPACE, Provenance, source_item

if TYPE_CHECKING:
    from datprl_toolkit.medical.encoding import EncodedSlice
    from datprl_toolkit.medical.pixels import PixelFormat
    from datprl_toolkit.medical.volume import Slice

IMPLEMENTATION_UID = f"2.25.{IDENTIFIER_NAMESPACE.int}"
IMPLEMENTATION_VERSION = "DATPRL_TOOLKIT"
SERIES_NUMBER_OFFSET = 9000
LARGEST_SERIES_NUMBER = 2**31 - 1
DESCRIPTION_SUFFIX = " DATPRL"
DESCRIPTION_LENGTH = 64
DERIVATION_LENGTH = 1024

# They describe the pixels or bytes of the source, and would be wrong or dangling in the result.
STALE = (
    "SmallestImagePixelValue",
    "LargestImagePixelValue",
    "SmallestPixelValueInSeries",
    "LargestPixelValueInSeries",
    "IconImageSequence",
    "DigitalSignaturesSequence",
    "MACParametersSequence",
    "InstanceCreatorUID",
    "PixelDataProviderURL",
    "ExtendedOffsetTable",
    "ExtendedOffsetTableLengths",
    "DataSetTrailingPadding",
)
LOSSY_METHODS = {
    "1.2.840.10008.1.2.4.50": "ISO_10918_1",
    "1.2.840.10008.1.2.4.51": "ISO_10918_1",
    "1.2.840.10008.1.2.4.81": "ISO_14495_1",
    "1.2.840.10008.1.2.4.91": "ISO_15444_1",
    "1.2.840.10008.1.2.4.93": "ISO_15444_2",
    "1.2.840.10008.1.2.4.203": "ISO_15444_15",
}
DEFAULT_IMAGE_TYPE = {"CT": ("DERIVED", "PRIMARY", "AXIAL"), "MR": ("DERIVED", "PRIMARY", "OTHER")}


@dataclass(frozen=True, slots=True)
class DerivedSeries:
    """What all images of one restored series share.

    Parameters
    ----------
    provenance
        How it was made.
    series_number
        Number of the new series, free among those found.
    private
        Which private attributes are carried over.
    """

    provenance: Provenance
    series_number: int
    private: PrivatePolicy

    @property
    def series_instance_uid(self) -> str:
        """Identifier of the new series."""
        return self.identifier("series")

    def identifier(self, *parts: str) -> str:
        """Return a unique identifier, another one for another choice of private attributes."""
        private = () if self.private == "quant" else (f"private {self.private}",)
        return self.provenance.identifier(*parts, *private)


def free_series_number(source: int | None, taken: set[int]) -> int:
    """Return source + 9000, or the next number that no series has."""
    number = (source or 0) + SERIES_NUMBER_OFFSET
    if not 0 < number <= LARGEST_SERIES_NUMBER:
        number = SERIES_NUMBER_OFFSET
    while number in taken:
        number += 1
    return number


def derive_image(source: FileDataset, image: Slice, encoded: EncodedSlice, series: DerivedSeries) -> FileDataset:
    """Turn the data set of a classic source image into that of the restored one.

    Parameters
    ----------
    source
        Data set of the source with its pixel data; it is used up.
    image
        The slice that it holds.
    encoded
        Restored stored values.
    series
        What all images of the restored series share.
    """
    provenance = series.provenance
    mark_lossy_source(source, image.pixel_format)
    source = as_little_endian(source)
    start_derivation(source, series, series.identifier("image", image.sop_instance_uid))
    source.ImageType = derived_image_type(source, provenance.modality)
    write_grid(source, [image])
    source.SourceImageSequence = [
        source_item(image.sop_class_uid, image.sop_instance_uid, same_places=provenance.scale == 1)
    ]
    if provenance.modality == "PT":
        _set_activity_scale(source, image, encoded)
    set_pixels(source, encoded.stored.astype(encoded.pixel_format.dtype, copy=False).tobytes(), encoded.pixel_format)
    return source


def start_derivation(source: FileDataset, series: DerivedSeries, sop_instance_uid: str) -> None:
    """Do what classic and enhanced images need alike: new identity, provenance, and nothing stale."""
    provenance = series.provenance
    for keyword in STALE:
        if keyword in source:
            delattr(source, keyword)
    filter_private(source, series.private)
    source.SOPInstanceUID = sop_instance_uid
    source.SeriesInstanceUID = series.series_instance_uid
    source.SeriesNumber = series.series_number
    source.SeriesDescription = derived_description(header.text(source, "SeriesDescription"))
    source.InstanceCreationDate = provenance.created.strftime("%Y%m%d")
    source.InstanceCreationTime = provenance.created.strftime("%H%M%S")
    earlier = header.text(source, "DerivationDescription")
    ours = provenance.description()
    room = DERIVATION_LENGTH - len(ours) - 2
    source.DerivationDescription = f"{earlier[:room]}; {ours}" if earlier and room > 0 else ours
    source.DerivationCodeSequence = [*header.items(source, "DerivationCodeSequence"), *provenance.derivation_codes()]
    equipment = header.items(source, "ContributingEquipmentSequence")
    source.ContributingEquipmentSequence = [*equipment, provenance.equipment()]
    source.file_meta = _file_meta(header.text(source, "SOPClassUID"), sop_instance_uid)
    source.preamble = b"\0" * header.PREAMBLE_LENGTH


def _file_meta(sop_class_uid: str, sop_instance_uid: str) -> FileMetaDataset:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(sop_class_uid)
    meta.MediaStorageSOPInstanceUID = UID(sop_instance_uid)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = UID(IMPLEMENTATION_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION
    return meta


def derived_image_type(source: Dataset, modality: str) -> list[str]:
    """Return Image Type (0008,0008) with DERIVED first; a PET stays PRIMARY (PS3.3 C.8.9.4.1.1)."""
    values = list(header.texts(source, "ImageType")) or list(DEFAULT_IMAGE_TYPE.get(modality, ("DERIVED", "PRIMARY")))
    values[0] = "DERIVED"
    if modality == "PT":
        values[1:2] = ["PRIMARY"]
    return values


def derived_description(description: str) -> str:
    """Return a series description that says what it is, within the 64 characters of a long string."""
    return f"{description[: DESCRIPTION_LENGTH - len(DESCRIPTION_SUFFIX)]}{DESCRIPTION_SUFFIX}".strip()


def mark_lossy_source(source: FileDataset, pixel_format: PixelFormat) -> None:
    """Say that the pixels were once compressed with loss, if they were (PS3.3 C.7.6.1.1.5); it is never unsaid."""
    method = LOSSY_METHODS.get(str(header.transfer_syntax(source)))
    if method is None:
        return
    frames = header.integer(source, "NumberOfFrames") or 1
    whole = pixel_format.rows * pixel_format.columns * frames * pixel_format.bits_allocated / 8
    ratio = whole / max(1, len(source.PixelData))
    source.LossyImageCompression = "01"
    if header.value(source, "LossyImageCompressionRatio") is None:
        source.LossyImageCompressionRatio = DSfloat(round(ratio, 3), auto_format=True)
    if header.value(source, "LossyImageCompressionMethod") is None:
        source.LossyImageCompressionMethod = method


def set_pixels(dataset: FileDataset, data: bytes, pixel_format: PixelFormat) -> None:
    """Put uncompressed pixel data into a data set, and say how they are stored."""
    dataset.BitsAllocated = pixel_format.bits_allocated
    dataset.BitsStored = pixel_format.bits_stored
    dataset.HighBit = pixel_format.bits_stored - 1
    dataset.PixelRepresentation = int(pixel_format.signed)
    dataset.add_new("PixelData", "OW" if pixel_format.bits_allocated > 8 else "OB", data + b"\0" * (len(data) % 2))
    dataset["PixelData"].is_undefined_length = False


def _set_activity_scale(source: FileDataset, image: Slice, encoded: EncodedSlice) -> None:
    """Write the slice's own slope, and what depends on it.

    Display windows stay: they are in rescaled values (PS3.3 C.11.2.1.2), which have not changed their unit.
    """
    change = encoded.rescale.slope / image.rescale.slope
    source.RescaleSlope = DSfloat(encoded.rescale.slope, auto_format=True)
    source.RescaleIntercept = "0"
    set_activity_padding(source, encoded.pixel_format)
    _rescale_real_world(source, change, linear=image.rescale.intercept == 0)


def set_activity_padding(source: Dataset, pixel_format: PixelFormat) -> None:
    """Say which stored value means "no image here" after activity was stored anew."""
    for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit"):
        if keyword in source:
            delattr(source, keyword)
    if pixel_format.padding is not None:
        source.add_new("PixelPaddingValue", "SS", pixel_format.padding[0])


def _rescale_real_world(source: FileDataset, change: float, *, linear: bool) -> None:
    """Keep real-world values (PS3.3 C.7.6.16.2.11) true under the new slope, or drop maps that cannot be kept."""
    maps = header.items(source, "RealWorldValueMappingSequence")
    if not maps:
        return
    if not linear or any(header.number(item, "RealWorldValueSlope") is None for item in maps):
        del source.RealWorldValueMappingSequence
        return
    for item in maps:
        item.RealWorldValueSlope = float(item.RealWorldValueSlope) * change
        for keyword, end in (("RealWorldValueFirstValueMapped", -32768), ("RealWorldValueLastValueMapped", 32767)):
            item.add_new(keyword, "SS", end)


def drop_overlays(dataset: Dataset, image: Slice) -> bool:
    """Remove overlays (PS3.3 C.9.2) for which the new pixels have no place.

    These are overlays in unused bits of the pixels (retired), which are written anew without them, and all that are
    drawn on a grid that the image no longer has.
    """
    overlays = [tag for tag in list(dataset.keys()) if tag.group & 0xFF01 == 0x6000]
    embedded = [tag.group for tag in overlays if tag.element == 0x0102 and dataset[tag].value not in (None, "", 0)]
    carried = {group for group in embedded if Tag(group, 0x3000) not in dataset}
    if isinstance(image, EnlargedSlice):
        carried = {tag.group for tag in overlays}
    for tag in list(dataset.keys()):
        if tag.group in carried:
            del dataset[tag]
    return bool(carried)


def as_little_endian(source: FileDataset) -> FileDataset:
    """Return a data set that can be written in little endian; 16-bit words of a big-endian one are turned round.

    pydicom decodes numbers by the byte order of the file, but leaves words such as those of lookup tables as bytes.
    """
    if source.original_encoding[1] is not False:
        return source
    for element in source.iterall():
        if element.VR == "OW" and element.keyword != "PixelData" and isinstance(element.value, bytes):
            words = bytearray(element.value)
            if len(words) % 2 == 0:
                words[0::2], words[1::2] = words[1::2], words[0::2]
                element.value = bytes(words)
    decoded = Dataset()
    for element in source:
        decoded.add(element)
    return FileDataset("", decoded, file_meta=source.file_meta, is_implicit_VR=False, is_little_endian=True)
