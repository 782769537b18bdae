"""Recipes, learners, budgets, the training loop and its runs."""
