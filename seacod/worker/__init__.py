"""The worker process: starts, loads, serves the inherited socket, drains. Never sends mail."""
