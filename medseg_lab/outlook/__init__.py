"""Where the field goes, made runnable: what the survey's outlook asks for (survey 5)."""
