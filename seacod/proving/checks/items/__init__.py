"""The items of the checklist: functions that are given a `CheckContext` and return a `Finding`.
Each file declares its `ITEMS` (`registry.py` finds them); nothing is changed by one."""
