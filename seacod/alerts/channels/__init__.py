"""Where alerts go, one file for each channel: a module with a `CHANNEL` is one, and settings,
secrets, `seacod check`, `seacod test-alert`, delivery and documents have it (`registry.py`).
"""

# The settings first: they ask the registry for the keys of every channel, and whoever imports a
# single channel before anything else would find it half made there.
import seacod.config  # noqa: F401
