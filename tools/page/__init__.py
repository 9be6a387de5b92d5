"""Parts of measure_page.py."""
