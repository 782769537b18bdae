"""Images that are no cases of a cohort: read, prepared, predicted as a whole or in slabs, and written."""
