"""Architectures of the survey (section 2.1), one file each."""
