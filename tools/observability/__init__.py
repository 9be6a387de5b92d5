"""Makes dashboard and catalogue; see ../make_observability.py."""
