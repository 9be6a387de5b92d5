"""What a machine computes on besides its cores, one file for each vendor: readings for the
supervisor, devices for the worker. The supervisor's part never imports torch."""
