"""From chapters to executed notebooks, and from those to the book."""
