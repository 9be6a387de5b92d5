"""The web page: tabs, their scripts and style, both languages."""
