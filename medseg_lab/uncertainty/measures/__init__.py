"""How estimates of uncertainty are judged (survey 4): one measure a file, on tensors."""
