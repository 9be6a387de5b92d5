"""The Grafana dashboard, made by tools/make_observability.py; `seacod dashboard` prints it."""
