"""Checks that transformers loads what Save writes, with the same ids.

    pip install transformers==5.23.0 jinja2
    HHRLHF_SAVED=dir go test ./rlhf/tokenizer -run TestSaveAll
    python check_transformers.py dir

dir/ids.json has, by folder, the ids that our tokenizer gives for the texts of
vectors.json. Each line of the output is a folder and the texts that differ.
"""

import json, os, sys
from transformers import AutoTokenizer

here, saved = os.path.dirname(os.path.abspath(__file__)), sys.argv[1]
texts = json.load(open(os.path.join(here, "vectors.json")))["texts"]
wrong = 0
for name, w in sorted(json.load(open(os.path.join(saved, "ids.json"))).items()):
    t = AutoTokenizer.from_pretrained(os.path.join(saved, name))
    differ = [s for s, ids in zip(texts, w["ids"]) if t.encode(s) != ids]
    parts = (len(t), t.eos_token_id, t.pad_token_id) == (w["size"], w["eos"], w["pad"])
    chat = "none"
    if t.chat_template:
        chat = t.apply_chat_template([{"role": "user", "content": "Hi there"}], add_generation_prompt=True, return_dict=False) == w["chat"]
    wrong += len(differ) + (not parts) + (chat is False)
    print(f"{name}: {len(differ)} of {len(texts)} texts differ, special tokens {'equal' if parts else 'DIFFER'}, chat {chat}", differ[:3] or "")
sys.exit(wrong > 0)
