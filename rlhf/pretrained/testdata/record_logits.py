"""Records logits of transformers for tiny models, one JSON file per architecture.

    python record_logits.py        # needs torch, transformers and safetensors

Each file holds config.json as save_pretrained writes it, the names and shapes of
the tensors as they lie in model.safetensors, token ids, and the logits after every
one of them. The weights are not stored: element i of a tensor is a function of i
and the tensor's name, which golden_test.go computes too.
"""

import json
import os
import struct
import tempfile
import zlib

import safetensors.torch
import torch
import transformers


def element(seed, i):
    """A number in [-1/2, 1/2) with 24 bits, the same in every language."""
    h = (seed ^ (i * 2654435761)) & 0xFFFFFFFF
    h = ((h >> 16) ^ h) * 0x45D9F3B & 0xFFFFFFFF
    h = (h >> 16) ^ h
    return (h >> 8) / 2**24 - 0.5


def fill(name, tensor):
    """Scales of norms lie around 1, everything else around 0."""
    seed = zlib.crc32(name.encode())
    norm = tensor.dim() == 1 and name.endswith("weight")
    values = [(1 if norm else 0) + 0.5 * element(seed, i) for i in range(tensor.numel())]
    with torch.no_grad():
        tensor.copy_(torch.tensor(values, dtype=torch.float32).reshape(tensor.shape))


common = dict(vocab_size=40, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, max_position_embeddings=64)
models = {
    "llama": transformers.LlamaConfig(
        **common, num_key_value_heads=2, head_dim=12, intermediate_size=48, rope_parameters={"rope_type": "default", "rope_theta": 500.0}
    ),
    "llama_tied": transformers.LlamaConfig(**common, num_key_value_heads=1, intermediate_size=40, rms_norm_eps=1e-5, tie_word_embeddings=True),
    "qwen2": transformers.Qwen2Config(**common, num_key_value_heads=2, intermediate_size=48, tie_word_embeddings=True),
    "gpt2": transformers.GPT2Config(vocab_size=40, n_embd=32, n_layer=2, n_head=4, n_positions=64),
    "gpt_neox": transformers.GPTNeoXConfig(**common, intermediate_size=128, rotary_pct=0.25, tie_word_embeddings=False),
    "gpt_neox_sequential": transformers.GPTNeoXConfig(
        **common, intermediate_size=48, rotary_pct=0.5, use_parallel_residual=False, hidden_act="gelu_new", tie_word_embeddings=False
    ),
}
tokens = [7, 1, 39, 0, 12, 12, 25, 3, 18]

for name, config in models.items():
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config, attn_implementation="eager").eval()
    # The names on disk count, which are not always those in memory.
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        path = os.path.join(folder, "model.safetensors")
        with open(path, "rb") as f:
            header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        saved = json.load(open(os.path.join(folder, "config.json")))
        weights = safetensors.torch.load_file(path)
        for key, tensor in weights.items():
            fill(key, tensor)
        safetensors.torch.save_file(weights, path, metadata={"format": "pt"})
        model = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    with torch.no_grad():
        logits = model(torch.tensor([tokens])).logits[0]
    header.pop("__metadata__", None)
    out = {
        "transformers": transformers.__version__,
        "config": saved,
        "tensors": {key: header[key]["shape"] for key in sorted(header)},
        "tokens": tokens,
        "logits": [[round(x, 6) for x in row] for row in logits.tolist()],
    }
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".json"), "w") as f:
        f.write(json.dumps(out, separators=(",", ":")).replace('"tensors"', '\n"tensors"').replace('"tokens"', '\n"tokens"').replace('"logits"', '\n"logits"') + "\n")
    print(name, "largest logit", logits.abs().max().item())
