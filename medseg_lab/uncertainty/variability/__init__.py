"""How much readings of one image differ (section 4.2, Joskowicz et al. [86])."""
