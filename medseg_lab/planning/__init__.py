"""nnU-Net's plan [46] as rules: from what a data set is to how a U-Net is built and trained (survey 2.3)."""
