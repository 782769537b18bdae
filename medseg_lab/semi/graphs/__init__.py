"""Graphs of voxels and regions, along which labels spread (survey 3.3)."""
