"""Getting public data sets: terms, fetching, unpacking, laying out, verifying."""
