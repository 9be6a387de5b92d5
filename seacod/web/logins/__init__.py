"""Logins of people: who may try again when (`attempts.py`), whether a password is right
(`passwords.py`), who is logged in (`sessions.py`), and all of it as one thing (`logins.py`).

Not here: keys of programs (`middleware/access.py`), the login page (`routes/login.py`).
"""
