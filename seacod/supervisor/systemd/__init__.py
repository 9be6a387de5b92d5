"""What systemd is told, and the proof behind it."""
