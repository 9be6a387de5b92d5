"""`seacod transcribe`: what to do with which file (`plan.py`), asking the service (`asking.py`),
and the command itself (`command.py`)."""
