"""LIDC-IDRI: crops of chest CT around lung nodules, with four readings each.

Fetched: nothing, as Kaggle wants registration; the script says what to do, and takes the archive or folder
with --from. Left out: nothing. Compared: a slice of each nodule of 218 of 875 patients, whose checksums are
known. The resulting tree:

    lidc-4rater/LIDC-IDRI-0001/nodule-0/images/slice-0.png ...
    lidc-4rater/LIDC-IDRI-0001/nodule-0/mask-0/slice-0.png ... mask-3/slice-0.png ...

    python data_scripts/lidc_4rater.py [--from PATH] [--to FOLDER]
"""

import sys

from medseg_lab.cli.app import app

if __name__ == "__main__":
    app(["data", "get", "lidc-4rater", *sys.argv[1:]])
