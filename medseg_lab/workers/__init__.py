"""Worker processes: a list of jobs, on the cores of this machine or on a Dask cluster."""
