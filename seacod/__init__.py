"""seacod: keeps a Chinese speech-recognition service running on one GPU server.

`supervisor/` and `alerts/` are the supervisor's side (small, no torch, no funasr, no gradio);
`asr/` and `web/` are the worker's side. What both may use lies here, at the top.
"""

import os

# onnxruntime comes with telemetry: a device id and events in the home directory, questions to name
# servers. It looks at this when it is imported, by whatever library.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

__version__ = "0.1.0"
# How requests of our own name themselves to other parts of us, which count only those of others.
OWN_AGENT = "seacod"
