"""Commands of `seacod` that are more than a few lines. Called by `main.py`; they print and return
the exit code. They ask a running service and never are one."""
