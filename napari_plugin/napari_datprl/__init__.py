"""napari plugin of datprl-toolkit: DICOM series open in their units and in the geometry of the scanner."""
