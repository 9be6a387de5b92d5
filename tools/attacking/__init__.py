"""What `tools/attack.py` sends, and how."""
