"""The course and laboratory for deep-learning medical image segmentation."""

__version__ = "0.1.0"
