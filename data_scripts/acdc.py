"""Automated Cardiac Diagnosis Challenge 2017: hearts at end-diastole and end-systole.

Fetched: nothing, as the publisher wants registration; the script says what to do, and takes the archive or
folder with --from. Either form is taken, the publisher's NIfTI or the h5 volumes. Left out: the whole beats
(4D) and the testing part. Compared: the h5 volumes of 20 of 100 patients, whose checksums are known; of
NIfTI files, none. The resulting tree:

    acdc/patient001_frame01.h5 ...
or
    acdc/patient001/Info.cfg
    acdc/patient001/patient001_frame01.nii.gz, patient001_frame01_gt.nii.gz ...

    python data_scripts/acdc.py [--from PATH] [--to FOLDER]
"""

import sys

from medseg_lab.cli.app import app

if __name__ == "__main__":
    app(["data", "get", "acdc", *sys.argv[1:]])
