"""What we need of the operating system: processes, files in use, hashes, the terminal. For both
sides."""
