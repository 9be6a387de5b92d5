"""Where alerts go, one file for each channel: a module with a `CHANNEL` is one, and settings,
secrets, `seacod check`, `seacod test-alert`, delivery and documents have it (`registry.py`).
"""
