"""`medseg`, the command line."""
