"""What an operator wants written differently than it was recognised (`asr.replacements_file`):
`rules.py` reads and applies the rules, `likeness.py` knows what sounds alike, `current.py` reads
the file anew when it changes. Never touches words' times: tokens stay what was heard.
"""
