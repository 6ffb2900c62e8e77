# SPDX-License-Identifier: Apache-2.0
"""Writes blocks of GGUF's types of grids and ternary digits with the values that the gguf package decodes them to:
`python write_grid_blocks.py ../resources/dev/lockstep/checkpoint/grid-blocks.txt`, with gguf 0.19.0.

A line has a type, the bytes of two blocks, and the bits of their values as floats, the same every time.
"""

import sys

import gguf
import numpy as np

SCALES = {"TQ1_0": 52, "TQ2_0": 64}

random = np.random.default_rng(3)
with open(sys.argv[1], "w") as file:
    for name in ("IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S", "TQ1_0", "TQ2_0"):
        kind = gguf.GGMLQuantizationType[name]
        size, count = gguf.GGML_QUANT_SIZES[kind]
        blocks = random.integers(0, 256, (2, count), dtype=np.uint8)
        for block in blocks:
            scale = np.float16(random.uniform(0.01, 0.1))
            if name == "IQ1_M":  # in the upper 4 bits of 4 words
                for i in range(4):
                    block[49 + 2 * i] = block[49 + 2 * i] & 15 | (int(scale.view(np.uint16)) >> 4 * i & 15) << 4
            else:
                at = SCALES.get(name, 0)
                block[at:at + 2] = np.frombuffer(scale.tobytes(), np.uint8)
        values = gguf.quants.dequantize(blocks, kind).reshape(-1) + np.float32(0)
        assert len(values) == 2 * size and values.dtype == np.float32
        file.write(f"{name} {blocks.tobytes().hex()} {values.astype('>f4').tobytes().hex()}\n")
