"""Semi-supervised learning (survey 3): what unlabelled images add to a few labelled ones."""
