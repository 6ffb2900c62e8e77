# SPDX-License-Identifier: Apache-2.0
"""Records tiny gte models (gte-multilingual, snowflake-arctic-embed-m-v2.0) with the hidden states of a plain torch computation.

    pip install -r requirements.txt && python record_gte.py ../resources/encoders ../resources/cross-encoders

transformers has no such models: their files bring code of their own. The computation here is written from the description in
"mGTE" (Zhang et al. 2024, section 2), from Su's note on NTK scaling with a base (kexue.fm/archives/9706), and from the names,
shapes and keys of the published files (Alibaba-NLP/new-impl: the up rows of `up_gate_proj` are before its gate rows, it has no
bias, and the norms follow the additions). It runs in f32 on the CPU, with weights of f16.
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch.nn.functional import gelu, layer_norm, linear

from record_encoders import VOCABULARY, prompts

SIZES = dict(vocab_size=VOCABULARY, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
             max_position_embeddings=64, type_vocab_size=1, layer_norm_eps=1e-12, hidden_act="gelu",
             layer_norm_type="layer_norm", logn_attention_scale=False, position_embedding_type="rope", rope_theta=20000.0)


def shapes(config, pooler, labels):
    hidden, wide = config["hidden_size"], config["intermediate_size"]
    yield "embeddings.word_embeddings.weight", (config["vocab_size"], hidden)
    if config["type_vocab_size"]:
        yield "embeddings.token_type_embeddings.weight", (config["type_vocab_size"], hidden)
    norms = ["embeddings.LayerNorm"]
    matrices = []
    for i in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{i}"
        norms += [f"{layer}.attn_ln", f"{layer}.mlp_ln"]
        packed = {"qkv_proj": 3} if config["pack_qkv"] else {"q_proj": 1, "k_proj": 1, "v_proj": 1}
        matrices += [(f"{layer}.attention.{name}", parts * hidden, hidden) for name, parts in packed.items()]
        matrices += [(f"{layer}.attention.o_proj", hidden, hidden), (f"{layer}.mlp.down_proj", hidden, wide)]
        yield f"{layer}.mlp.up_gate_proj.weight", (2 * wide, hidden)
    if pooler:
        matrices.append(("pooler.dense", hidden, hidden))
    for name in norms:
        yield name + ".weight", (hidden,)
        yield name + ".bias", (hidden,)
    for name, rows, columns in matrices:
        yield name + ".weight", (rows, columns)
        yield name + ".bias", (rows,)
    if labels:
        yield "classifier.weight", (labels, hidden)
        yield "classifier.bias", (labels,)


def draw(config, pooler, labels):
    random = np.random.default_rng(1)
    weights = {}
    for name, shape in sorted(shapes(config, pooler, labels)):
        values = random.standard_normal(shape).astype(np.float32)
        is_norm = len(shape) == 1 and name.endswith("weight")
        values = 1 + 0.1 * values if is_norm else values * (0.3 if len(shape) == 1 or "embed" in name else 0.12)
        weights[name] = torch.from_numpy(values).half()
    return weights


def frequencies(config, size):
    pairs = torch.arange(0, size, 2, dtype=torch.float64) / size
    factor = (config["rope_scaling"] or {}).get("factor", 1.0)
    return (config["rope_theta"] * factor) ** -pairs / factor ** (2 / size)


def rotated(x, angles):
    first, second = x.chunk(2, dim=-1)
    return torch.cat((first * angles.cos() - second * angles.sin(), second * angles.cos() + first * angles.sin()), dim=-1)


def states(config, weights, prompt):
    """Returns [tokens, hidden] of one text."""
    w = {name: values.float() for name, values in weights.items()}
    hidden, heads = config["hidden_size"], config["num_attention_heads"]
    size = hidden // heads

    def norm(x, name):
        return layer_norm(x, (hidden,), w[name + ".weight"], w[name + ".bias"], config["layer_norm_eps"])

    def dense(x, name):
        return linear(x, w[name + ".weight"], w.get(name + ".bias"))

    def by_head(x):
        return x.view(len(prompt), heads, size).transpose(0, 1)

    angles = (torch.arange(len(prompt), dtype=torch.float64)[:, None] * frequencies(config, size)).float()
    x = w["embeddings.word_embeddings.weight"][torch.tensor(prompt)]
    if config["type_vocab_size"]:
        x = x + w["embeddings.token_type_embeddings.weight"][0]
    x = norm(x, "embeddings.LayerNorm")
    for i in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{i}"
        attention = f"{layer}.attention"
        if config["pack_qkv"]:
            q, k, v = dense(x, f"{attention}.qkv_proj").chunk(3, dim=-1)
        else:
            q, k, v = (dense(x, f"{attention}.{each}_proj") for each in "qkv")
        scores = rotated(by_head(q), angles) @ rotated(by_head(k), angles).transpose(1, 2) / size ** 0.5
        mixed = (scores.softmax(-1) @ by_head(v)).transpose(0, 1).reshape(len(prompt), hidden)
        x = norm(x + dense(mixed, f"{attention}.o_proj"), f"{layer}.attn_ln")
        up, gate = dense(x, f"{layer}.mlp.up_gate_proj").chunk(2, dim=-1)
        x = norm(x + dense(gelu(gate) * up, f"{layer}.mlp.down_proj"), f"{layer}.mlp_ln")
    return x


def write(folder, config, weights, architectures, prefix):
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    stated = dict(config, architectures=architectures, torch_dtype="float16")
    (folder / "config.json").write_text(json.dumps(stated, indent=1) + "\n")
    save_file({name if name.startswith("classifier") else prefix + name: values for name, values in weights.items()},
              folder / "model.safetensors", metadata=dict(format="pt"))


def encoder(folder, architectures, prefix, labels=0, **more):
    config = dict(SIZES, **more)
    weights = draw(config, False, labels)
    write(folder, config, weights, architectures, prefix)
    save_file({f"logits.{i}": states(config, weights, prompt).contiguous() for i, prompt in enumerate(prompts())},
              folder / "golden-logits.safetensors")
    (folder / "golden.json").write_text(
        json.dumps([{"prompt_ids": prompt, "greedy_ids": []} for prompt in prompts()]) + "\n")


def cross_encoder(folder, **more):
    config = dict(SIZES, sbert_ce_default_activation_function="torch.nn.modules.linear.Identity", **more)
    weights = draw(config, True, 1)
    write(folder, config, weights, ["NewForSequenceClassification"], "new.")
    golden = []
    for prompt in prompts():
        first = states(config, weights, prompt)[0]
        pooled = torch.tanh(linear(first, weights["pooler.dense.weight"].float(), weights["pooler.dense.bias"].float()))
        score = linear(pooled, weights["classifier.weight"].float(), weights["classifier.bias"].float())
        golden.append({"ids": prompt, "second": len(prompt) // 2, "score": score.item()})
    (folder / "golden.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    encoders, cross_encoders = Path(sys.argv[1]), Path(sys.argv[2])
    # As gte-multilingual-base is published: its file has a classifier of tokens too.
    encoder(encoders / "gte", ["NewModel", "NewForTokenClassification"], "new.", labels=1, model_type="new", pack_qkv=True,
            rope_scaling=dict(type="ntk", factor=8.0))
    # Three heads: two ranks have an uneven part of them.
    encoder(encoders / "gte-unscaled", ["GteModel"], "", model_type="gte", pack_qkv=False, rope_scaling=None, hidden_size=48,
            num_attention_heads=3, rope_theta=160000.0)
    cross_encoder(cross_encoders / "gte", model_type="new", pack_qkv=True, rope_scaling=dict(type="ntk", factor=8.0))
