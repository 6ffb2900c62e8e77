# SPDX-License-Identifier: Apache-2.0
"""Records tiny models that were calibrated for a cache of FP8, with the logits and greedy ids of compressed-tensors.

    pip install -r requirements-quantized.txt && python record_fp8_cache.py ../resources/fp8-cache

Weights are plain. Keys and values are rounded by compressed-tensors, with a scale for each layer or for each KV head, half
of which are so small that the largest keys and values are cut off at 448. No key or value is so near to the middle of two
codes that another order of additions might round it to the other one.
"""

import json
import shutil
import sys
from pathlib import Path

import torch
from compressed_tensors.modeling.kvcache import register_key_hook, register_value_hook
from compressed_tensors.quantization import QuantizationArgs, QuantizationConfig, apply_quantization_config
from safetensors.torch import save_file

import record_references as references

SHAPE = dict(references.SMALL, rope_parameters=references.plain())
LENGTHS = (5, 30)
# What is divided by its scale may be off by this much in f32.
MIN_DISTANCE = 2e-4


def distance(values, scale):
    """Returns the smallest distance of a scaled value from the middle of two codes."""
    scaled = (values / scale).abs().double()
    step = torch.exp2(torch.floor(torch.log2(scaled.clamp(min=2.0**-6)))) / 8
    apart = ((scaled / step - torch.floor(scaled / step) - 0.5).abs() * step)[scaled < 448]
    return apart.min().item()


def record(root, name, strategy):
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    scheme = dict(num_bits=8, type="float", strategy=strategy, symmetric=True, dynamic=False)
    for seed in range(1, 200):
        model = references.randomize(references.build("Llama", SHAPE), seed, torch.float16)
        state = {key: value.half() for key, value in model.state_dict().items()}
        apply_quantization_config(model, QuantizationConfig(
            config_groups={}, quantization_status="initialized", kv_cache_scheme=QuantizationArgs(**scheme)))
        seen, nearest = {}, [1.0]

        def watch(kind):
            def hook(module, values):
                heads = values.abs().amax((0, 2, 3)) if strategy == "attn_head" else values.abs().amax()
                key = (module.layer_idx, kind)
                seen[key] = torch.maximum(seen[key], heads) if key in seen else heads
                if module.quantization_enabled:
                    nearest[0] = min(nearest[0], distance(values, getattr(module, kind + "_scale")))
            return hook

        for layer in model.model.layers:
            register_key_hook(layer.self_attn, watch("k"))
            register_value_hook(layer.self_attn, watch("v"))
            layer.self_attn.quantization_enabled = False
        with torch.no_grad():
            references.golden(model, LENGTHS)
            for i, layer in enumerate(model.model.layers):
                for kind in "kv":
                    scale = getattr(layer.self_attn, kind + "_scale")
                    largest = seen[i, kind].reshape(-1)
                    cut = torch.tensor([0.6 if (i + head + (kind == "v")) % 2 else 1.0 for head in range(len(largest))])
                    scale.copy_((largest * cut / 448).bfloat16().float().reshape(scale.shape))
                    state[f"model.layers.{i}.self_attn.{kind}_scale"] = scale.detach().bfloat16()
                layer.self_attn.quantization_enabled = True
            nearest[0] = 1.0
            cases, logits, gap = references.golden(model, LENGTHS)
        if gap > references.MIN_GAP and nearest[0] > MIN_DISTANCE:
            break
    else:
        sys.exit(f"{name}: no seed will do")
    config = dict(references.older(model.config.to_dict()), architectures=["LlamaForCausalLM"])
    config["quantization_config"] = {"quant_method": "compressed-tensors", "format": "dense",
                                     "quantization_status": "compressed", "config_groups": {}, "kv_cache_scheme": scheme}
    (folder / "config.json").write_text(json.dumps(config) + "\n")
    save_file(state, folder / "model.safetensors")
    references.write_golden(folder, cases, logits)
    print(f"{name}: gap {gap:.1e}, distance {nearest[0]:.1e}, seed {seed}, "
          f"{sum(p.stat().st_size for p in folder.glob('*'))} bytes")


if __name__ == "__main__":
    record(Path(sys.argv[1]), "tensor", "tensor")
    record(Path(sys.argv[1]), "heads", "attn_head")
