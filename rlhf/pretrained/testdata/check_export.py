"""Loads a folder that pretrained.Export wrote in transformers and compares logits.

    python check_export.py FOLDER [LOGITS.json]     # needs torch and transformers

LOGITS.json is {"tokens": [...], "logits": [[...] per position]}, what our own
forward pass gives; without it the last position's five highest logits are printed.
"""

import json
import sys

import torch
import transformers

model, info = transformers.AutoModelForCausalLM.from_pretrained(sys.argv[1], dtype=torch.float32, output_loading_info=True)
for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
    print(what, sorted(info[what]))
recorded = json.load(open(sys.argv[2])) if len(sys.argv) > 2 else {"tokens": [0, 1, 2, 3]}
with torch.no_grad():
    logits = model.eval()(torch.tensor([recorded["tokens"]])).logits[0]
print(type(model).__name__, "parameters", sum(p.numel() for p in model.parameters()))
if "logits" in recorded:
    ours = torch.tensor(recorded["logits"])[:, : logits.shape[1]]
    print("max |difference of logits|", (logits - ours).abs().max().item(), "of logits up to", logits.abs().max().item())
top = logits[-1].topk(min(5, logits.shape[1]))
print("top 5", list(zip(top.indices.tolist(), [round(v, 3) for v in top.values.tolist()])))
try:
    tokenizer = transformers.AutoTokenizer.from_pretrained(sys.argv[1])
    print("tokenizer", type(tokenizer).__name__, len(tokenizer), tokenizer("The capital of France is")["input_ids"])
except (OSError, ValueError) as e:
    print("no tokenizer:", str(e).splitlines()[0])
