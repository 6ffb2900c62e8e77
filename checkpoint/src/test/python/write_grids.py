# SPDX-License-Identifier: Apache-2.0
"""Writes the grids of GGUF's IQ types, which the package gguf has, as `name hex` lines: pip install gguf==0.19.0.

An entry has 16 bits: 8 numbers of 2 bits, or 4 of 4, the first in the lowest bits.
"""

from pathlib import Path

from gguf import quants

target = Path(__file__).parents[2] / "main/resources/dev/lockstep/checkpoint/gguf-grids.txt"
with target.open("w") as out:
    for name in ("IQ1_S", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ3_XXS", "IQ3_S"):
        out.write(f"{name} {getattr(quants, name).grid_hex.decode()}\n")
