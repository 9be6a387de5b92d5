"""Proofs on a running service: checks, drills, soak, bench, and the load and sounds they share."""
