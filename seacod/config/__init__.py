"""The settings: `schema` (types, defaults, limits), `load` (file, environment, errors with lines),
`secrets` (credentials, never in the yaml), `render` (the commented file, `seacod config show`).
Nothing here knows what a setting is used for; no torch, no sockets.
"""

from seacod.config.load import DEFAULT_FILE, load_settings
from seacod.config.schema import Settings

__all__ = ["DEFAULT_FILE", "Settings", "load_settings"]
