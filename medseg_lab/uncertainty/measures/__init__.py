"""How estimates of uncertainty are evaluated (survey 4): measures on tensors."""
