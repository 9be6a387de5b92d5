"""How the built-in model is made: `vocabulary` (what it can write), `speech` (espeak-ng),
`corpus` (utterances and features), `network` (the SeacoParaformer), `train` (three stages),
`export` (the directory AutoModel loads), `evaluate` (what it can do, measured on that directory).

Nothing of this is needed to run seacod. Entry: tools/train_builtin_model.py.
"""
