"""Medical Segmentation Decathlon, Task01 Brain Tumour: the labelled volumes.

Fetched: Task01_BrainTumour.tar (7.1 GB) from the copy that MONAI keeps on AWS; about 15 GB are needed while
it is unpacked. Left out: the images without labels (imagesTs). No checksum of its files is known here: the
archive is compared with the MD5 that MONAI records. The resulting tree:

    msd-brain-tumour/dataset.json
    msd-brain-tumour/imagesTr/BRATS_001.nii.gz ...
    msd-brain-tumour/labelsTr/BRATS_001.nii.gz ...

    python data_scripts/msd_brain_tumour.py [--accept-licence] [--from PATH] [--to FOLDER]
"""

import sys

from medseg_lab.cli.app import app

if __name__ == "__main__":
    app(["data", "get", "msd-brain-tumour", *sys.argv[1:]])
