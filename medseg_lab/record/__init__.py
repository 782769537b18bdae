"""The record: what trainings that are long enough to mean something came to, shipped with the library."""
