# SPDX-License-Identifier: Apache-2.0
"""Reads converted models with the reference library of their form and writes every tensor as f32, by its name in the file.

    pip install -r ../../../../model/src/test/python/requirements-quantized.txt
    python read_conversion.py TARGET MODEL...

A model NAME becomes TARGET/NAME/model.safetensors. gguf reads files; transformers with compressed-tensors loads folders, so that it reads their configuration too.
"""

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
    return model.state_dict()


if __name__ == "__main__":
    target, *sources = sys.argv[1:]
    for source in sources:
        tensors = (of_file if source.endswith(".gguf") else of_folder)(source)
        folder = Path(target) / Path(source).name
        folder.mkdir()
        save_file({name: tensor.float().contiguous().clone() for name, tensor in tensors.items()}, folder / "model.safetensors")
