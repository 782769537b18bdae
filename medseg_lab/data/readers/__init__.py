"""One module per published layout: from files to arrays that have been checked."""
