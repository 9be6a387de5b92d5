"""Makes dashboard and catalogue; see ../make_generated.py."""
