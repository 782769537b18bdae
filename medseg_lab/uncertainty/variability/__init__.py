"""How far readings of one image lie apart (section 4.2, Joskowicz et al. [86])."""
