# SPDX-License-Identifier: Apache-2.0
"""Writes blocks of GGUF types with the values that the gguf package decodes them to: `python write_blocks.py ../resources/dev/lockstep/checkpoint/blocks.txt`.

A line has a type, the bytes of two blocks, and their values, the same every time.
"""

import sys

import gguf
import numpy as np

random = np.random.default_rng(3)
with open(sys.argv[1], "w") as file:
    for name in ("Q4_0", "Q8_0", "Q4_K", "Q5_K", "Q6_K"):
        kind = gguf.GGMLQuantizationType[name]
        size, count = gguf.GGML_QUANT_SIZES[kind]
        blocks = random.integers(0, 256, (2, count), dtype=np.uint8)
        # Scales that are numbers: Q6_K has its one at the end, the K types before it two.
        places = [count - 2] if name == "Q6_K" else [0, 2] if name.endswith("K") else [0]
        for block in blocks:
            for place in places:
                block[place:place + 2] = np.frombuffer(np.float16(random.uniform(0.01, 0.1)).tobytes(), np.uint8)
        values = gguf.quants.dequantize(blocks, kind).reshape(-1)
        assert len(values) == 2 * size
        file.write(f"{name} {blocks.tobytes().hex()} {' '.join(f'{value:.9g}' for value in values)}\n")
