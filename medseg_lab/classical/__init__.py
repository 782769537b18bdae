"""Segmentation before deep learning, as learners without training (survey 0)."""
