"""Proofs on a running service: checks, drills, soak and bench, a folder each, and beside the
folders what they share: sounds and load, the service they are for (`target.py`) or have of their
own (`service.py`), what it is compared with, likeness, figures, pictures,
systemd. A folder imports no other; only the soak run lets drills in."""
