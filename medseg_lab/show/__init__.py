"""Figures with alt text, tables, explorers and source listings."""
