# SPDX-License-Identifier: Apache-2.0
"""Writes the models that are measured: GGUF files of a 1B shape with random weights, in any format."""
import os
import random
import struct

HIDDEN, LAYERS, HEADS, KV_HEADS, FEED_FORWARD, CONTEXT = 2048, 16, 32, 8, 8192, 16384
ALIGNMENT = 32
# Random blocks are repeated after this many, no multiple of which is a row, so that no two rows are equal.
TILE_BLOCKS = 4099
# The standard deviation of the weights.
SPREAD = 0.02

# Numbers of GGUF's value types.
UINT8, INT8, UINT16, INT16, UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY, UINT64, INT64, FLOAT64 = range(13)
SCALARS = {UINT8: "B", INT8: "b", UINT16: "H", INT16: "h", UINT32: "I", INT32: "i", FLOAT32: "f", BOOL: "?",
           UINT64: "Q", INT64: "q", FLOAT64: "d"}


def half(value):
    return struct.pack("<e", value)


def bf16(rng):
    """Two bytes of a value of either sign with a magnitude of 2^-7 to 2^-5."""
    return bytes([rng.randrange(256), rng.choice((0x3C, 0x3D, 0xBC, 0xBD))])


# Scales and minima of the eight sub-blocks of a block of Q4_K or Q5_K, all 32.
SUB_BLOCKS = bytes([160] * 8 + [0] * 4)

# For each format: its number in GGUF, its number as a file type, values and bytes of a block, and a random block. A block
# of n-bit weights has a mean of zero and the same spread in every format.
FORMATS = {
    "BF16": (30, 32, 1, 2, bf16),
    "Q4_0": (2, 2, 32, 18, lambda rng: half(SPREAD / 4.6) + rng.randbytes(16)),
    "Q4_1": (3, 3, 32, 20, lambda rng: half(SPREAD / 4.6) + half(-7.5 * SPREAD / 4.6) + rng.randbytes(16)),
    "Q8_0": (8, 7, 32, 34, lambda rng: half(SPREAD / 74) + rng.randbytes(32)),
    "Q4_K": (12, 15, 256, 144, lambda rng: half(SPREAD / 4.6 / 32) + half(7.5 * SPREAD / 4.6 / 32) + SUB_BLOCKS
             + rng.randbytes(128)),
    "Q5_K": (13, 17, 256, 176, lambda rng: half(SPREAD / 9.2 / 32) + half(15.5 * SPREAD / 9.2 / 32) + SUB_BLOCKS
             + rng.randbytes(160)),
    "Q6_K": (14, 18, 256, 210, lambda rng: rng.randbytes(192) + bytes([32] * 16) + half(SPREAD / 18.5 / 32)),
    "F32": (0, 0, 1, 4, None),
}


def tensor_format(name, layer, format):
    """The format of a tensor in a file of the given format; Q4_K_M and Q5_K_M have some tensors in Q6_K."""
    if not format.endswith("_M"):
        return format
    more_bits = layer < LAYERS // 8 or layer >= 7 * LAYERS // 8 or (layer - LAYERS // 8) % 3 == 2
    if name == "token_embd" or name in ("attn_v", "ffn_down") and more_bits:
        return "Q6_K"
    return format.removesuffix("_M")


def tensors(format, vocabulary):
    """Yields name, rows, columns and format of each tensor; norms have one row."""
    yield "token_embd.weight", vocabulary, HIDDEN, tensor_format("token_embd", 0, format)
    yield "output_norm.weight", 1, HIDDEN, "F32"
    kv = HIDDEN // HEADS * KV_HEADS
    shapes = {"attn_q": (HIDDEN, HIDDEN), "attn_k": (kv, HIDDEN), "attn_v": (kv, HIDDEN), "attn_output": (HIDDEN, HIDDEN),
              "ffn_gate": (FEED_FORWARD, HIDDEN), "ffn_up": (FEED_FORWARD, HIDDEN), "ffn_down": (HIDDEN, FEED_FORWARD)}
    for layer in range(LAYERS):
        yield f"blk.{layer}.attn_norm.weight", 1, HIDDEN, "F32"
        yield f"blk.{layer}.ffn_norm.weight", 1, HIDDEN, "F32"
        for name, (rows, columns) in shapes.items():
            yield f"blk.{layer}.{name}.weight", rows, columns, tensor_format(name, layer, format)


def string(text):
    return struct.pack("<Q", len(text)) + text


class Reader:
    """Reads the metadata of a GGUF file, each value as its type and its bytes."""

    def __init__(self, file):
        self.file = file

    def take(self, format):
        return struct.unpack("<" + format, self.file.read(struct.calcsize("<" + format)))[0]

    def text(self):
        return self.file.read(self.take("Q"))

    def value(self, type):
        if type == STRING:
            return string(self.text())
        if type == ARRAY:
            of, count = self.take("I"), self.take("Q")
            return struct.pack("<IQ", of, count) + b"".join(self.value(of) for _ in range(count))
        return self.file.read(struct.calcsize("<" + SCALARS[type]))

    def metadata(self):
        if self.file.read(4) != b"GGUF":
            raise SystemExit(f"bench-cpu: {self.file.name} is not a GGUF file")
        self.take("I"), self.take("Q")
        count = self.take("Q")
        found = {}
        for _ in range(count):
            key, type = self.text(), self.take("I")
            found[key.decode()] = (type, self.value(type))
        return found


def write_1b(path, format, tokenizer):
    """Writes a model of the 1B shape unless it is there; its tokenizer is that of another GGUF file."""
    if os.path.exists(path):
        return
    with open(tokenizer, "rb") as file:
        metadata = {key: value for key, value in Reader(file).metadata().items() if key.startswith("tokenizer.")}
    tokens = metadata["tokenizer.ggml.tokens"][1]
    vocabulary = struct.unpack("<IQ", tokens[:12])[1]
    number = {"Q4_K_M": "Q4_K", "Q5_K_M": "Q5_K"}.get(format, format)

    def uint(value):
        return UINT32, struct.pack("<I", value)

    def real(value):
        return FLOAT32, struct.pack("<f", value)

    head = {
        "general.architecture": (STRING, string(b"llama")),
        "general.name": (STRING, string(f"random 1B {format}".encode())),
        "general.file_type": uint(FORMATS[number][1]),
        "llama.block_count": uint(LAYERS),
        "llama.context_length": uint(CONTEXT),
        "llama.embedding_length": uint(HIDDEN),
        "llama.feed_forward_length": uint(FEED_FORWARD),
        "llama.attention.head_count": uint(HEADS),
        "llama.attention.head_count_kv": uint(KV_HEADS),
        "llama.attention.layer_norm_rms_epsilon": real(1e-5),
        "llama.rope.freq_base": real(500000),
        "llama.rope.dimension_count": uint(HIDDEN // HEADS),
        "llama.vocab_size": uint(vocabulary),
    } | metadata
    rng = random.Random(1)
    tiles = {name: b"".join(block(rng) for _ in range(TILE_BLOCKS * (32 if values == 1 else 1)))
             for name, (_, _, values, _, block) in FORMATS.items() if block}
    described, contents, offset = b"", [], 0
    for name, rows, columns, tensor in tensors(format, vocabulary):
        id, _, values, size, _ = FORMATS[tensor]
        length = rows * columns // values * size
        shape = struct.pack("<IQ", 1, columns) if rows == 1 else struct.pack("<IQQ", 2, columns, rows)
        described += string(name.encode()) + shape + struct.pack("<IQ", id, offset)
        contents.append((tensor, size, length))
        offset += -(-length // ALIGNMENT) * ALIGNMENT
    partial = path + ".partial"
    with open(partial, "wb") as file:
        file.write(b"GGUF" + struct.pack("<IQQ", 3, len(contents), len(head)))
        for key, (type, value) in head.items():
            file.write(string(key.encode()) + struct.pack("<I", type) + value)
        file.write(described)
        file.write(bytes(-file.tell() % ALIGNMENT))
        for tensor, size, length in contents:
            if tensor == "F32":
                content = struct.pack("<f", 1) * (length // 4)
                file.write(content)
            else:
                # Each tensor begins at another block of the tile.
                start = rng.randrange(TILE_BLOCKS) * size
                tile = tiles[tensor][start:] + tiles[tensor][:start]
                for at in range(0, length, len(tile)):
                    file.write(tile[:length - at])
            file.write(bytes(-length % ALIGNMENT))
    os.replace(partial, path)
