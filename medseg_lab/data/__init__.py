"""Cards, cohorts and batches: from a data set to tensors on the device."""
