"""Faults put into the product on purpose, and whether a test notices; see tools/mutate.py."""
