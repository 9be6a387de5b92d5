"""The worker process: HTTP API and Gradio page in front of `seacod.asr`. Never sends mail."""
