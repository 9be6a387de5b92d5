"""The settings: `schema` (types, defaults, limits), `load` (file, environment, errors with lines),
`secrets` (credentials, never in the yaml), `render` (the commented file, `seacod config show`).
Nothing here knows what a setting is used for; no torch, no sockets.
"""
