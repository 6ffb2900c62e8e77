# SPDX-License-Identifier: Apache-2.0
"""Reads converted models with the reference library of their form and writes every tensor as f32, by its name in the file.

    pip install -r ../../../../model/src/test/python/requirements-quantized.txt
    python read_conversion.py TARGET MODEL...
    python read_conversion.py --modules TARGET MODEL...
    python read_conversion.py --maxima TARGET MODEL IDS

A model NAME becomes TARGET/NAME/model.safetensors. gguf reads files; transformers with compressed-tensors loads folders, so that it reads their configuration too.
With --modules, compressed-tensors decodes each quantized module of a folder by itself: transformers has no rule for the experts of some families, whose modules llm-compressor makes.
With --maxima, TARGET/NAME/model.safetensors gets the largest magnitude of each matrix's inputs and of each layer's keys and values for one text.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file


def of_file(path):
    from gguf import GGUFReader
    from gguf.quants import dequantize
    # gguf gives rows of stored bytes; sizes of `shape` are in the order of the file, the shortest stride first.
    return {t.name: torch.from_numpy(dequantize(t.data, t.tensor_type).copy()).reshape(*reversed(t.shape.tolist()))
            for t in GGUFReader(path).tensors}


def of_folder(path):
    from transformers import AutoModelForCausalLM
    from transformers.utils.quantization_config import CompressedTensorsConfig
    model = AutoModelForCausalLM.from_pretrained(
        path, dtype="auto", quantization_config=CompressedTensorsConfig(dequantize=True))
    return model.state_dict() | fixed_scales(path)


def of_modules(path):
    from compressed_tensors.compressors import BaseCompressor
    from compressed_tensors.quantization import QuantizationConfig
    from safetensors.torch import load_file
    config = QuantizationConfig.model_validate(json.loads((Path(path) / "config.json").read_text())["quantization_config"])
    [scheme] = config.config_groups.values()
    compressor = BaseCompressor.get_value_from_registry(config.format)
    stored = load_file(Path(path) / "model.safetensors")
    decoded = {}
    for name, tensor in stored.items():
        module, _, part = name.rpartition(".")
        if module + ".weight_scale" not in stored:
            decoded[name] = tensor
        elif part == "weight_scale":
            parts = {key: stored[f"{module}.{key}"] for key in
                     ("weight", "weight_packed", "weight_scale", "weight_shape", "weight_zero_point") if f"{module}.{key}" in stored}
            decoded[module + ".weight"] = compressor.decompress(parts, scheme)["weight"]
        elif part == "bias":
            decoded[name] = tensor
    return decoded


def fixed_scales(path):
    """Returns the scales of activations, keys and values, which decoding drops."""
    from transformers import AutoModelForCausalLM
    config = json.loads((Path(path) / "config.json").read_text())["quantization_config"]
    inputs = config["config_groups"]["group_0"].get("input_activations") or {"dynamic": True}
    if inputs["dynamic"] and "kv_cache_scheme" not in config:
        return {}
    state = AutoModelForCausalLM.from_pretrained(path, dtype="auto").state_dict()
    return {name: tensor for name, tensor in state.items() if name.endswith((".input_scale", ".k_scale", ".v_scale"))}


def maxima(path, ids):
    from compressed_tensors.modeling.kvcache import initialize_hooked_kv_cache, register_key_hook, register_value_hook
    from transformers import AutoModelForCausalLM
    model = AutoModelForCausalLM.from_pretrained(path, dtype="auto")
    found = {}
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear):
            module.register_forward_pre_hook(
                lambda _, inputs, name=name: found.__setitem__(name + ".input", inputs[0].abs().amax().reshape(1)))
        elif name.endswith("self_attn"):
            initialize_hooked_kv_cache(model, module)
            register_key_hook(module, lambda _, keys, name=name: found.__setitem__(name + ".k", keys.abs().amax().reshape(1)))
            register_value_hook(
                module, lambda _, values, name=name: found.__setitem__(name + ".v", values.abs().amax().reshape(1)))
    with torch.no_grad():
        model(torch.tensor([ids]))
    return found


if __name__ == "__main__":
    arguments = sys.argv[1:]
    if arguments[0] == "--maxima":
        _, target, source, ids = arguments
        read = [(source, maxima(source, [int(each) for each in ids.split(",")]))]
    elif arguments[0] == "--modules":
        _, target, *sources = arguments
        read = ((each, of_modules(each)) for each in sources)
    else:
        target, *sources = arguments
        read = ((each, (of_file if each.endswith(".gguf") else of_folder)(each)) for each in sources)
    for source, tensors in read:
        folder = Path(target) / Path(source).name
        folder.mkdir()
        save_file({name: tensor.float().contiguous().clone() for name, tensor in tensors.items()}, folder / "model.safetensors")
