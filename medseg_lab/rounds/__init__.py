"""Learning from what trained networks predict of images without labels, in rounds (survey 3.1)."""
