"""The listening socket, and who answers on it while no worker serves."""
