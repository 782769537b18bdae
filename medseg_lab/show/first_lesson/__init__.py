"""Pictures that move for the first chapter: one file for each concept that all other chapters rest on."""
