"""What we need of the operating system, for both sides: processes, files, the network, text."""
