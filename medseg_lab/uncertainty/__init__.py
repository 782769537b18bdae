"""Uncertainty (survey 4): methods that know what they do not know, and how they are judged."""
