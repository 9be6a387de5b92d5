"""What a machine computes on besides its cores, one file for each vendor: readings for the
supervisor, devices for the worker. Nothing here imports torch before a worker asks for a device.
"""
