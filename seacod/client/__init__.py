"""How programs ask a running service, here or elsewhere. Never imports the worker's side."""
