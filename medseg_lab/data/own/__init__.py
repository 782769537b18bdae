"""Data of one's own: looked over, and described in a card for a person to correct."""
