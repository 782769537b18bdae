"""Metrics, statistics, the ledger of all runs, and what it says of the survey's claims."""
