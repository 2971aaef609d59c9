"""Make small inputs on which every example runs: ``python nodes/examples/make_inputs.py [FOLDER]``.

A CT and an MR slice that pydicom ships, a synthetic PET/CT study, synthetic scenes, and a photo that matplotlib ships.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
from matplotlib.cbook import get_sample_data
from PIL import Image
from pydicom.data import get_testdata_file

from datprl_toolkit.files import staged_folder
from datprl_toolkit.medical.testing import write_synthetic_series
from datprl_toolkit.remote_sensing.testing import photograph, write_raster


def main(folder: Path) -> None:
    """Write the inputs, unless they are there."""
    if folder.exists():
        return
    with staged_folder(folder) as made:
        for name, source in (("ct", "CT_small.dcm"), ("mr", "MR_small.dcm")):
            (made / name).mkdir()
            shutil.copyfile(str(get_testdata_file(source)), made / name / source)
        write_synthetic_series(made / "study", "CT", 4)
        write_synthetic_series(made / "study", "PT", 4)
        (made / "scenes").mkdir()
        for seed, (name, size) in enumerate({"coast": (160, 600), "field": (120, 140)}.items()):
            values = photograph(3, *size, dtype="uint16", seed=seed)
            write_raster(made / "scenes" / f"{name}.tif", values, nodata=0, descriptions=["red", "green", "blue"])
        photos = made / "photos"
        photos.mkdir()
        with get_sample_data("grace_hopper.jpg") as file, Image.open(file) as photo:
            small = photo.convert("RGB").resize((128, 150))
        small.save(photos / "portrait.png")
        Image.fromarray(np.asarray(small)[::-1, ::-1]).save(photos / "turned.png")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo/inputs"))
