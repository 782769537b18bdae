"""Metrics, statistics, the ledger and the claims."""
