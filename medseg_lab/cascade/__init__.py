"""Networks in a row, each of which reads the part of the image that the one before found (survey 2.1.4)."""
