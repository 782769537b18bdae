"""Sweeps: many runs over methods, data sets and seeds, on one machine or many."""
