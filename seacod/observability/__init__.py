"""The Grafana dashboard, made by tools/make_generated.py; `seacod dashboard` prints it."""
