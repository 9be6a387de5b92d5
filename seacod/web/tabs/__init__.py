"""The tabs of the page, one file each: `build(page)` lays it out and connects its events."""
