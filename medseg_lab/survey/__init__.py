"""The map of the survey: its methods and its claims."""
