"""Files: written whole or not at all, appended to, watched, marked as needed, told apart."""
