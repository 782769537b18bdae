"""One module per file format: from bytes that may be damaged to arrays, or to one clear error."""
