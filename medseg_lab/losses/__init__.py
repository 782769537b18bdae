"""Loss functions of the survey (section 2.2), one file a family."""
