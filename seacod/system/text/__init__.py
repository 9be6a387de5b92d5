"""Text: sentences in two languages, the terminal, secrets that are masked, text from outside."""
