"""CHASE_DB1: 28 photographs of the retina, with the vessels that two observers drew.

Fetched: CHASEDB1.zip (2.5 MB) from Kingston University's repository. Left out: nothing. The resulting tree:

    chase-db1/Image_01L.jpg ...
    chase-db1/Image_01L_1stHO.png ...
    chase-db1/Image_01L_2ndHO.png ...

    python data_scripts/chase_db1.py [--accept-licence] [--from PATH] [--to FOLDER]
"""

import sys

from medseg_lab.cli.app import app

if __name__ == "__main__":
    app(["data", "get", "chase-db1", *sys.argv[1:]])
