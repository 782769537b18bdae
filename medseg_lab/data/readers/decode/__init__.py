"""One module per file format: from bytes that may lie to arrays, or to one clear error."""
