#!/usr/bin/env python3
"""The last hidden states of every token of some texts by transformers, in float64: writes token_states.json."""
import json, os
import torch
from transformers import AutoModel

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDERS = ["embed-bge", "embed-dense"]  # the second has a Dense, which is for the pooled vector alone

out = {}
for folder in FOLDERS:
    with open(os.path.join(HERE, folder, "reference.json")) as f:
        texts = json.load(f)["texts"]
    model = AutoModel.from_pretrained(os.path.join(HERE, folder), dtype=torch.float64).eval()
    out[folder] = []
    for x in texts[:3]:
        with torch.no_grad():
            states = model(input_ids=torch.tensor([x["ids"]])).last_hidden_state[0]
        out[folder].append({"prompt": x.get("prompt") or "", "text": x["text"], "ids": x["ids"], "states": [[round(v, 7) for v in row] for row in states.tolist()]})
with open(os.path.join(HERE, "token_states.json"), "w") as f:
    json.dump(out, f, ensure_ascii=False)
    f.write("\n")
