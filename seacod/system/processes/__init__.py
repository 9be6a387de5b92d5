"""Processes and what the kernel does with them: starting, holding, waiting, ending; threads."""
