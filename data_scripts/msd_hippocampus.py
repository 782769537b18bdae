"""Medical Segmentation Decathlon, Task04 Hippocampus: the 260 labelled volumes.

Fetched: Task04_Hippocampus.tar (28 MB) from the copy that MONAI keeps on AWS. Left out: the 130 images
without labels (imagesTs). The resulting tree:

    msd-hippocampus/dataset.json
    msd-hippocampus/imagesTr/hippocampus_001.nii.gz ...
    msd-hippocampus/labelsTr/hippocampus_001.nii.gz ...

    python data_scripts/msd_hippocampus.py [--accept-licence] [--from PATH] [--to FOLDER]
"""

import sys

from medseg_lab.cli.app import app

if __name__ == "__main__":
    app(["data", "get", "msd-hippocampus", *sys.argv[1:]])
