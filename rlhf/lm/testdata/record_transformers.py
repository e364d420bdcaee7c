"""Records the logits of transformers' GPT-2, Llama, Qwen2 and GPT-NeoX for
TestTransformers: python3 record_transformers.py > transformers.json

Models are tiny and their weights come from a generator that the test repeats, so
the recording holds logits only. Made with transformers 5.23.0 and torch 2.15.0.
"""

import json

import torch
import transformers
from transformers import (GPT2Config, GPT2LMHeadModel, GPTNeoXConfig, GPTNeoXForCausalLM,
                          LlamaConfig, LlamaForCausalLM, Qwen2Config, Qwen2ForCausalLM)

TOKENS = [[7, 3, 28, 0, 11, 5, 19, 2], [0, 0, 0, 4, 21, 9, 9, 16]]
SEEN = [[1] * 8, [0] * 3 + [1] * 5]  # the second row is padded at the start
POSITIONS = [list(range(8)), [0, 0, 0, 0, 1, 2, 3, 4]]


def tensor(index, dims, norm_scale=False):
    """Tensor number index of lm.Shape.Weights: uniform in [-.5, .5) from a linear
    congruential generator, 1 added to the scales of norms."""
    n = 1
    for d in dims:
        n *= d
    x, values = index + 1, []
    for _ in range(n):
        x = (1664525 * x + 1013904223) % 2**32
        values.append((x >> 8) / 2**24 - 0.5 + (1 if norm_scale else 0))
    return torch.tensor(values).reshape(dims)


class Weights:
    """Hands out tensors in the order of lm.Shape.Weights."""

    def __init__(self):
        self.index = -1

    def __call__(self, *dims, norm_scale=False):
        self.index += 1
        return tensor(self.index, dims, norm_scale)


def gpt2():
    v, d, l, h, c = 29, 16, 2, 4, 12
    shape = dict(vocab=v, width=d, layers=l, heads=h, context=c)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=v, n_positions=c, n_embd=d, n_layer=l, n_head=h))
    w, state = Weights(), {}

    def affine(name, *dims):  # transformers' Conv1D is [in, out] as ours
        state[name + ".weight"], state[name + ".bias"] = w(*dims), w(dims[1])

    def norm(name):
        state[name + ".weight"], state[name + ".bias"] = w(d, norm_scale=True), w(d)

    state["transformer.wte.weight"], state["transformer.wpe.weight"] = w(v, d), w(c, d)
    state["lm_head.weight"] = state["transformer.wte.weight"]
    norm("transformer.ln_f")
    for i in range(l):
        p = f"transformer.h.{i}."
        norm(p + "ln_1")
        affine(p + "attn.c_attn", d, 3 * d)
        affine(p + "attn.c_proj", d, d)
        norm(p + "ln_2")
        affine(p + "mlp.c_fc", d, 4 * d)
        affine(p + "mlp.c_proj", 4 * d, d)
    return shape, model, state


def llama(kind):
    v, d, l, h, c, ff = 29, 16, 2, 4, 12, 20
    kv, k, untied, theta = (2, 6, True, 500000.0) if kind == "llama" else (1, 4, False, 1000000.0)
    shape = dict(vocab=v, width=d, layers=l, heads=h, context=c, kv_heads=kv, head_width=k, ff=ff, norm="rms", epsilon=1e-6,
                 rotary=1, theta=theta, activation="silu", gated=True, bias="none" if kind == "llama" else "qkv", untied=untied)
    config = dict(vocab_size=v, hidden_size=d, num_hidden_layers=l, num_attention_heads=h, num_key_value_heads=kv,
                  intermediate_size=ff, max_position_embeddings=c, rms_norm_eps=1e-6, tie_word_embeddings=not untied,
                  rope_parameters={"rope_type": "default", "rope_theta": theta})
    if kind == "llama":
        model = LlamaForCausalLM(LlamaConfig(head_dim=k, **config))
    else:
        model = Qwen2ForCausalLM(Qwen2Config(**config))
    w, state = Weights(), {}
    state["model.embed_tokens.weight"] = state["lm_head.weight"] = w(v, d)
    state["model.norm.weight"] = w(d, norm_scale=True)
    for i in range(l):
        p = f"model.layers.{i}."
        state[p + "input_layernorm.weight"] = w(d, norm_scale=True)
        split = [h * k, kv * k, kv * k]
        qkv = w(d, sum(split)).split(split, dim=1)
        bias = w(sum(split)).split(split) if kind == "qwen2" else [None] * 3
        for name, m, b in zip("qkv", qkv, bias):
            state[p + f"self_attn.{name}_proj.weight"] = m.T
            if b is not None:
                state[p + f"self_attn.{name}_proj.bias"] = b
        state[p + "self_attn.o_proj.weight"] = w(h * k, d).T
        state[p + "post_attention_layernorm.weight"] = w(d, norm_scale=True)
        state[p + "mlp.gate_proj.weight"] = w(d, ff).T
        state[p + "mlp.up_proj.weight"] = w(d, ff).T
        state[p + "mlp.down_proj.weight"] = w(ff, d).T
    if untied:
        state["lm_head.weight"] = w(v, d)
    return shape, model, state


def neox():
    v, d, l, h, c = 29, 32, 2, 2, 12
    shape = dict(vocab=v, width=d, layers=l, heads=h, context=c, rotary=0.25, activation="gelu", parallel=True, untied=True)
    model = GPTNeoXForCausalLM(GPTNeoXConfig(
        vocab_size=v, hidden_size=d, num_hidden_layers=l, num_attention_heads=h, intermediate_size=4 * d, max_position_embeddings=c,
        hidden_act="gelu", rope_parameters={"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.25}))
    w, state = Weights(), {}

    def affine(name, *dims):
        state[name + ".weight"], state[name + ".bias"] = w(*dims).T, w(dims[1])

    def norm(name):
        state[name + ".weight"], state[name + ".bias"] = w(d, norm_scale=True), w(d)

    def by_head(x):  # ours: all queries, all keys, all values; NeoX: q, k, v of head 0, then of head 1, …
        return x.reshape(*x.shape[:-1], 3, h, d // h).transpose(-3, -2).reshape(x.shape)

    state["gpt_neox.embed_in.weight"] = w(v, d)
    norm("gpt_neox.final_layer_norm")
    for i in range(l):
        p = f"gpt_neox.layers.{i}."
        norm(p + "input_layernorm")
        state[p + "attention.query_key_value.weight"] = by_head(w(d, 3 * d)).T
        state[p + "attention.query_key_value.bias"] = by_head(w(3 * d))
        affine(p + "attention.dense", d, d)
        norm(p + "post_attention_layernorm")
        affine(p + "mlp.dense_h_to_4h", d, 4 * d)
        affine(p + "mlp.dense_4h_to_h", 4 * d, d)
    state["embed_out.weight" if "embed_out.weight" in model.state_dict() else "lm_head.weight"] = w(v, d)
    return shape, model, state


def record(shape, model, state):
    model.load_state_dict({name: x.contiguous() for name, x in state.items()}, strict=True)
    model.eval()
    with torch.no_grad():
        out = model(input_ids=torch.tensor(TOKENS), attention_mask=torch.tensor(SEEN), position_ids=torch.tensor(POSITIONS))
    # padded slots are left out: they mean nothing
    logits = [[[round(x, 6) for x in slot] for slot, seen in zip(row, mask) if seen] for row, mask in zip(out.logits.tolist(), SEEN)]
    return {"shape": shape, "logits": logits}


print(json.dumps({
    "transformers": transformers.__version__,
    "tokens": TOKENS,
    "segments": SEEN,
    "positions": POSITIONS,
    "models": {
        "GPT-2": record(*gpt2()),
        "Llama": record(*llama("llama")),
        "Qwen2": record(*llama("qwen2")),
        "GPT-NeoX": record(*neox()),
    },
}))
