"""Changes of geometry that can be undone, for images and predictions alike."""
