# SPDX-License-Identifier: Apache-2.0
"""Records tiny quantized checkpoints with the weights, logits and greedy ids that their reference gives for them.

    pip install -r requirements-quantized.txt && python record_quantized.py ../resources/quantized [CASE...]

Each case is a folder as its users have it, golden.json with prompts, greedy ids and the SHA-256 of every dequantized
matrix, and golden-logits.safetensors with the logits of every prompt position, computed in f32 from the dequantized
weights. Formats with a package that runs on a CPU are dequantized by it (compressed-tensors, bitsandbytes, mlx,
transformers); GPTQ, AWQ and ModelOpt by the published formula, in the type of the scales.
"""

import hashlib
import json
import shutil
import sys
from pathlib import Path

import gguf
import torch
from safetensors.torch import save_file

import record_references as references

HIDDEN, FORWARD = 64, 96
SHAPE = dict(references.GROUPED, hidden_size=HIDDEN, intermediate_size=FORWARD, rope_parameters=references.plain())
MIN_GAP = references.MIN_GAP


def is_linear(name):
    return name.endswith("_proj.weight")


# Each format takes the name of a layer and its matrix, and returns the stored tensors by suffix and the dequantized
# matrix.

def fp8(values):
    return values.clamp(-448, 448).to(torch.float8_e4m3fn)


def fp8_blocks(size):
    def quantize(name, w):
        from transformers.integrations.finegrained_fp8 import Fp8Dequantize
        rows, columns = w.shape
        high = min(size, rows)
        blocks = w.reshape(rows // high, high, columns // size, size)
        scale = blocks.abs().amax((1, 3)) / 448
        q = fp8(blocks / scale[:, None, :, None]).reshape(rows, columns)
        return {".weight": q, ".weight_scale_inv": scale}, Fp8Dequantize(None)._dequantize_one(q, scale, torch.bfloat16)
    return quantize


def fp8_partial_blocks(size):
    """Blocks that the edges of the matrix cut, as DeepSeek's `weight_dequant` reads them."""
    def quantize(name, w):
        rows, columns = w.shape
        wide = lambda scale: scale.repeat_interleave(size, 0).repeat_interleave(size, 1)[:rows, :columns]
        scale = torch.tensor([[w[r:r + size, c:c + size].abs().max() / 448 for c in range(0, columns, size)]
                              for r in range(0, rows, size)])
        q = fp8(w / wide(scale))
        return {".weight": q, ".weight_scale_inv": scale}, (q.float() * wide(scale)).to(torch.bfloat16)
    return quantize


def compressed(weights, activations=None, scale_of=None, global_scale=False, scale_type=torch.bfloat16):
    from compressed_tensors.compressors import BaseCompressor
    from compressed_tensors.quantization import QuantizationArgs, QuantizationScheme

    def quantize(name, w):
        args = QuantizationArgs(**weights)
        scheme = QuantizationScheme(targets=["Linear"], weights=args,
                                    input_activations=QuantizationArgs(**activations) if activations else None)
        compressor = BaseCompressor.get_value_from_registry(scale_of["format"])
        state = {"weight": w, "weight_scale": None}
        rows, columns = w.shape
        group = weights.get("group_size") or columns
        if weights["strategy"] == "block":
            group_rows, group = weights["block_structure"]
            largest = w.reshape(rows // group_rows, group_rows, columns // group, group).abs().amax((1, 3))
        else:
            largest = w.reshape(rows, columns // group, group).abs().amax(2)
        if weights["strategy"] == "tensor":
            largest = w.abs().max().reshape(1)
        scale = (largest / scale_of["largest"]).to(scale_type)
        if not weights.get("symmetric", True):
            low = w.reshape(rows, columns // group, group).amin(2)
            high = w.reshape(rows, columns // group, group).amax(2)
            least = -(1 << weights["num_bits"] - 1)
            scale = ((high - low) / (-2 * least - 1)).to(scale_type)
            state["weight_zero_point"] = (least - low / scale.float()).round().clamp(least, -least - 1).to(torch.int8)
        if global_scale:
            state["weight_global_scale"] = torch.tensor([448 * 6 / w.abs().max()], dtype=torch.float32)
            scale = (state["weight_global_scale"] * largest / 6).to(torch.float8_e4m3fn).to(scale_type)
        if scale_of["format"].startswith("mxfp4"):
            scale = torch.exp2(torch.floor(torch.log2(largest / 4))).to(scale_type)
        state["weight_scale"] = scale
        stored = compressor.compress(dict(state), scheme)
        dequantized = compressor.decompress(dict(stored), scheme)["weight"]
        return {"." + key: value for key, value in stored.items()}, dequantized
    return quantize


def pack_words(codes, bits, axis):
    """Packs consecutive codes along an axis into words of 32 bits, the first in the lowest bits."""
    codes = codes.movedim(axis, -1).to(torch.int64)
    words = codes.reshape(*codes.shape[:-1], -1, 32 // bits)
    packed = sum(words[..., i] << bits * i for i in range(32 // bits))
    packed = torch.where(packed >= 2 ** 31, packed - 2 ** 32, packed).to(torch.int32)
    return packed.movedim(-1, axis).contiguous()


def affine(w, bits, groups, symmetric, scale_type=torch.float16):
    """Returns codes [outputs, inputs], zero points and scales [groups, outputs] for a group index of each input."""
    count = int(groups.max()) + 1
    codes = torch.zeros(w.shape, dtype=torch.int64)
    zeros, scales = [], []
    top = 2 ** bits - 1
    for group in range(count):
        part = w[:, groups == group]
        low, high = part.amin(1), part.amax(1)
        if symmetric:
            scale = (part.abs().amax(1) / (top // 2)).to(scale_type)
            zero = torch.full(scale.shape, top // 2 + 1)
        else:
            scale = ((high - low) / top).to(scale_type)
            zero = (-low / scale.float()).round().clamp(1, top).to(torch.int64)
        codes[:, groups == group] = (part / scale.float()[:, None] + zero[:, None]).round().clamp(0, top).to(torch.int64)
        zeros.append(zero)
        scales.append(scale)
    return codes, torch.stack(zeros), torch.stack(scales)


def dequantized(codes, zeros, scales, groups):
    """scale · (code − zero) in the type of the scales, as gptqmodel's and AutoAWQ's torch code computes it."""
    return (scales[groups] * (codes.T - zeros[groups]).to(scales.dtype)).T.contiguous()


def gptq(bits, size, symmetric, version=1, order=False):
    def quantize(name, w):
        inputs = w.shape[1]
        groups = torch.arange(inputs) // size
        if order:
            groups = groups[torch.from_numpy(references.np.random.default_rng(inputs).permutation(inputs))]
        codes, zeros, scales = affine(w, bits, groups, symmetric)
        stored = {".qweight": pack_words(codes.T, bits, 0), ".scales": scales,
                  ".qzeros": pack_words(zeros - (1 if version == 1 else 0), bits, 1)}
        if order or version == 2:
            stored[".g_idx"] = groups.to(torch.int32)
        return stored, dequantized(codes, zeros, scales, groups)
    return quantize


def awq(size):
    def quantize(name, w):
        groups = torch.arange(w.shape[1]) // size
        codes, zeros, scales = affine(w, 4, groups, False)
        packed = lambda values: pack_words(values.reshape(values.shape[0], -1, 8)[..., [0, 2, 4, 6, 1, 3, 5, 7]].flatten(1), 4, 1)
        return {".qweight": packed(codes.T), ".qzeros": packed(zeros), ".scales": scales}, dequantized(codes, zeros, scales, groups)
    return quantize


def bits_and_bytes(double, kind="nf4"):
    """By the package's plain torch code: its CPU kernel reads the wrong factors where a row is not whole blocks."""
    def quantize(name, w):
        import bitsandbytes.functional as functional
        from bitsandbytes.backends.default.ops import _dequantize_4bit_compute
        codes, state = functional.quantize_4bit(w.to(torch.bfloat16), quant_type=kind, compress_statistics=double)
        stored = {".weight": codes}
        stored.update({".weight." + key: value for key, value in state.as_dict(packed=True).items()})
        largest = state.absmax
        if double:
            largest = functional.dequantize_blockwise(state.absmax, state.state2) + state.offset
        return stored, _dequantize_4bit_compute(codes.reshape(-1), largest, state.code, state.blocksize, w.shape, state.dtype)
    return quantize


def bits_and_bytes_int8(name, w):
    import bitsandbytes.functional as functional
    codes, largest, _ = functional.int8_vectorwise_quant(w.to(torch.float16))
    return ({".weight": codes, ".SCB": largest, ".weight_format": torch.tensor(0, dtype=torch.uint8)},
            functional.int8_vectorwise_dequant(codes, largest).to(torch.bfloat16))


def mlx(bits, size):
    def quantize(name, w):
        import mlx.core as mx
        values = mx.array(w.numpy()).astype(mx.float16)
        codes, scales, biases = mx.quantize(values, group_size=size, bits=bits)
        whole = mx.dequantize(codes, scales, biases, group_size=size, bits=bits)
        to_torch = lambda array: torch.from_numpy(references.np.array(array))
        return {".weight": to_torch(codes), ".scales": to_torch(scales), ".biases": to_torch(biases)}, to_torch(whole)
    return quantize


def modelopt_fp8(name, w):
    scale = w.abs().max() / 448
    q = fp8(w / scale)
    return {".weight": q, ".weight_scale": scale, ".input_scale": torch.tensor(1.0)}, (q.float() * scale).to(torch.bfloat16)


def modelopt_fp8_rows(name, w):
    """FP8_PER_CHANNEL_PER_TOKEN: a scale for each row, and none for the inputs."""
    scale = w.abs().amax(1) / 448
    q = fp8(w / scale[:, None])
    return {".weight": q, ".weight_scale": scale}, (q.float() * scale[:, None]).to(torch.bfloat16)


E2M1 = torch.tensor([0, 0.5, 1, 1.5, 2, 3, 4, 6, -0.0, -0.5, -1, -1.5, -2, -3, -4, -6])


def fp4(values):
    codes = (values[..., None].abs() - E2M1[:8]).abs().argmin(-1) + 8 * torch.signbit(values)
    return (codes[..., 0::2] | codes[..., 1::2] << 4).to(torch.uint8), E2M1[codes]


def modelopt_nvfp4(name, w):
    rows, columns = w.shape
    outer = w.abs().max() / (6 * 448)
    scale = (w.reshape(rows, -1, 16).abs().amax(2) / 6 / outer).to(torch.float8_e4m3fn)
    factor = (scale.float() * outer).repeat_interleave(16, 1)
    packed, values = fp4(w / factor)
    return ({".weight": packed, ".weight_scale": scale, ".weight_scale_2": outer, ".input_scale": torch.tensor(1.0)},
            (values * factor).to(torch.bfloat16))


def digest(values):
    return hashlib.sha256(values.contiguous().view(torch.uint8).numpy().tobytes()).hexdigest()


def case(root, name, quantization, quantize, *, kind="Llama", shape=None, is_quantized=is_linear, dtype=torch.bfloat16, tied=False,
         key="quantization_config"):
    if CASES and name not in CASES:
        return
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for seed in range(1, 400):
        model = references.randomize(references.build(kind, dict(shape or SHAPE, tie_word_embeddings=tied)), seed, dtype)
        stored, digests = {}, {}
        for weight_name, weight in model.state_dict().items():
            if tied and weight_name == "lm_head.weight":
                continue
            if not is_quantized(weight_name):
                stored[weight_name] = weight.to(dtype).contiguous()
                continue
            layer = weight_name.removesuffix(".weight")
            parts, whole = quantize(layer, weight.float())
            stored.update({layer + suffix: part.contiguous() for suffix, part in parts.items()})
            digests[weight_name] = digest(whole + 0 if "mxfp4" in name else whole)  # products with integers have no -0
            with torch.no_grad():
                weight.copy_(whole.float())
        cases, logits, gap = references.golden(model, (5, 40))
        if gap > MIN_GAP:
            break
    assert gap > MIN_GAP, (name, gap)
    save_file(stored, folder / "model.safetensors")
    config = json.loads(model.config.to_json_string())
    config.update({key: quantization, "architectures": [kind + "ForCausalLM"],
                   "dtype": str(dtype).removeprefix("torch.")})
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    (folder / "golden.json").write_text(json.dumps({"cases": cases, "dequantized": digests}) + "\n")
    save_file(logits, folder / "golden-logits.safetensors")
    print(f"{name}: gap {gap:.1e}, seed {seed}, {sum(p.stat().st_size for p in folder.glob('*'))} bytes")


def experts(root, name):
    """The experts of gpt-oss, without a model around them."""
    if CASES and name not in CASES:
        return
    from transformers.integrations.mxfp4 import convert_moe_packed_tensors
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    random = torch.Generator().manual_seed(5)
    blocks = torch.randint(0, 256, (3, 8, 2, 16), generator=random, dtype=torch.uint8)
    scales = torch.randint(110, 130, (3, 8, 2), generator=random, dtype=torch.uint8)
    whole = convert_moe_packed_tensors(blocks, scales).transpose(1, 2)
    save_file({"experts.gate_up_proj_blocks": blocks, "experts.gate_up_proj_scales": scales}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"architectures": ["X"], "quantization_config": {"quant_method": "mxfp4"}}))
    (folder / "golden.json").write_text(json.dumps({"cases": [], "dequantized": {"experts.gate_up_proj": digest(whole + 0)}}) + "\n")


GGUF_TYPES = ["IQ4_XS", "IQ3_S", "IQ3_XXS", "IQ2_S", "IQ2_XS", "IQ2_XXS", "IQ1_M", "IQ1_S", "TQ2_0", "TQ1_0", "MXFP4"]


def random_blocks(kind, rows, columns, random):
    """Returns random blocks whose weights are about as large as those of a trained matrix."""
    np = references.np
    size, block_bytes = gguf.GGML_QUANT_SIZES[kind]
    blocks = random.integers(0, 256, (rows * columns // size, block_bytes), dtype=np.uint8)
    name = kind.name
    if name == "MXFP4":
        blocks[:, 0] = random.integers(121, 123, len(blocks))
    elif name == "IQ1_M":  # d is in the upper 4 bits of 4 words
        words = blocks[:, 48:].view("<u2")
        scale = np.float16(0.01).view(np.uint16)
        for i in range(4):
            words[:, i] = words[:, i] & 0xFFF | (int(scale) >> 4 * i & 15) << 12
    else:
        magnitude = {"IQ4_XS": 1e-4, "IQ3_S": 7e-4, "IQ3_XXS": 7e-4, "TQ2_0": 0.1, "TQ1_0": 0.1, "IQ1_S": 0.01}.get(name, 2e-3)
        scale = (magnitude * random.choice([-1, 1], len(blocks)) * random.uniform(0.5, 1.5, len(blocks))).astype("<f2")
        at = {"TQ2_0": 64, "TQ1_0": 52}.get(name, 0)
        blocks[:, at:at + 2] = scale.view(np.uint8).reshape(-1, 2)
    if name.startswith("TQ"):  # whole rows of valid digits
        digits = random.integers(-1, 2, (rows, columns)).astype(np.float32) * 0.1
        return gguf.quants.quantize(digits, kind)
    return blocks.reshape(rows, -1)


def gguf_types(root, name):
    """A llama in a GGUF file whose matrices have the types in turn."""
    if CASES and name not in CASES:
        return
    np = references.np
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    config = dict(references.GROUPED, hidden_size=256, intermediate_size=256, num_hidden_layers=2, num_attention_heads=2,
                  num_key_value_heads=1, head_dim=32, tie_word_embeddings=True, rope_parameters=references.plain())
    for seed in range(1, 100):
        random = np.random.default_rng(seed)
        model = references.randomize(references.build("Llama", config), seed, torch.float16)
        stored, digests, turn = [], {}, 0
        for tensor, values in references.converted("llama", model.config, model.state_dict()):
            if values.ndim == 1 or not tensor.startswith("blk."):
                stored.append((tensor, values.astype(np.float32 if values.ndim == 1 else np.float16), None))
                continue
            types = GGUF_TYPES
            if "attn_output" in tensor:  # its columns are cut over ranks
                types = ["MXFP4"]
            else:
                turn += 1
            kind = getattr(gguf.GGMLQuantizationType, types[(turn - 1) % len(types)])
            blocks = random_blocks(kind, *values.shape, random)
            stored.append((tensor, blocks, kind))
        whole = {tensor: gguf.quants.dequantize(blocks, kind) + 0 for tensor, blocks, kind in stored if kind}
        names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, 2)
        with torch.no_grad():
            for weight_name, weight in model.state_dict().items():
                tensor = names.get_name(weight_name, try_suffixes=(".weight",))
                if tensor in whole:
                    values = whole[tensor]
                    heads = {"q": 2, "k": 1}.get(weight_name.split(".")[-2][0]) if "self_attn" in weight_name else None
                    if heads:  # back from the order of rope on adjacent pairs
                        values = values.reshape(heads, 16, 2, 256).swapaxes(1, 2).reshape(values.shape)
                    weight.copy_(torch.from_numpy(np.ascontiguousarray(values)))
                    digests[weight_name] = digest(weight)
        cases, logits, gap = references.golden(model, (5, 40))
        if gap > MIN_GAP:
            break
    writer = gguf.GGUFWriter(path=None, arch="llama")
    references.header(writer, "llama", model.config)
    for tensor, values, kind in stored:
        writer.add_tensor(tensor, values, raw_dtype=kind)
    writer.write_header_to_file(folder / "model.gguf")
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    (folder / "golden.json").write_text(json.dumps({"cases": cases, "dequantized": digests}) + "\n")
    save_file(logits, folder / "golden-logits.safetensors")
    print(f"{name}: gap {gap:.1e}, seed {seed}, {sum(p.stat().st_size for p in folder.glob('*'))} bytes")


def cases(root):
    gguf_types(root, "gguf-grids")
    without_first = lambda name: is_linear(name) and ".layers.0.self_attn." not in name
    case(root, "fp8-blocks", {"quant_method": "fp8", "activation_scheme": "dynamic", "fmt": "e4m3", "weight_block_size": [32, 32],
                              "modules_to_not_convert": ["model.layers.0.self_attn"]}, fp8_blocks(32), is_quantized=without_first)
    wide = dict(SHAPE, intermediate_size=128)
    case(root, "fp8-blocks-64", {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [64, 64]},
         fp8_blocks(64), shape=wide)
    case(root, "fp8-partial-blocks", {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [48, 48]},
         fp8_partial_blocks(48))
    # The rows of a head of kv_b_proj are not whole blocks; all layers are dense.
    latent = dict(SHAPE, hidden_size=32, intermediate_size=64, q_lora_rank=24, kv_lora_rank=32, qk_nope_head_dim=16,
                  qk_rope_head_dim=8, v_head_dim=24, num_key_value_heads=4, first_k_dense_replace=2, moe_intermediate_size=32,
                  n_routed_experts=4, n_shared_experts=1, num_experts_per_tok=2, n_group=2, topk_group=2)
    # With 64, rows are whole blocks.
    for suffix, size, shape in (("", 48, latent), ("-64", 64, dict(latent, hidden_size=64, kv_lora_rank=64, q_lora_rank=64))):
        case(root, "fp8-latent" + suffix, {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [size, size]},
             fp8_partial_blocks(size), kind="DeepseekV3", shape=shape,
             is_quantized=lambda name: is_linear(name) or "kv_a_proj" in name)
    ct = lambda form, **weights: {"quant_method": "compressed-tensors", "format": form, "quantization_status": "compressed",
                                  "ignore": ["lm_head"], "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}}}
    dynamic = dict(num_bits=8, type="float", strategy="token", dynamic=True)
    for name, form, largest, weights, activations in (
            ("ct-fp8-tensor", "float-quantized", 448, dict(num_bits=8, type="float", strategy="tensor"), dynamic),
            ("ct-fp8-channel", "float-quantized", 448, dict(num_bits=8, type="float", strategy="channel"), dynamic),
            ("ct-fp8-block", "float-quantized", 448, dict(num_bits=8, type="float", strategy="block", block_structure=[32, 16]), dynamic),
            ("ct-w8a8", "int-quantized", 127, dict(num_bits=8, type="int", strategy="channel"), dict(dynamic, type="int")),
            ("ct-w8a16", "pack-quantized", 127, dict(num_bits=8, type="int", strategy="group", group_size=32), None),
            ("ct-w4a16", "pack-quantized", 7, dict(num_bits=4, type="int", strategy="group", group_size=32), None),
            ("ct-w4a16-channel", "pack-quantized", 7, dict(num_bits=4, type="int", strategy="channel"), None),
            ("ct-w4a16-asym", "pack-quantized", 7, dict(num_bits=4, type="int", strategy="group", group_size=32, symmetric=False), None),
            ("ct-mxfp4", "mxfp4-pack-quantized", 6, dict(num_bits=4, type="float", strategy="group", group_size=32), None)):
        case(root, name, ct(form, **weights), compressed(weights, activations, dict(format=form, largest=largest)))
    # W4A8 has a code in a byte where the package chooses the format, and packed ones where its user does.
    eight_bits = dict(dynamic, type="int")
    for name, form in (("ct-w4a8", "int-quantized"), ("ct-w4a8-packed", "pack-quantized")):
        weights = dict(num_bits=4, type="int", strategy="group", group_size=32)
        config = ct(form, **weights)
        config["config_groups"]["group_0"]["input_activations"] = eight_bits
        case(root, name, config, compressed(weights, eight_bits, dict(format=form, largest=7)))
    asymmetric = dict(num_bits=4, type="int", strategy="group", group_size=64, symmetric=False)
    case(root, "ct-w4a16-asym-64", ct("pack-quantized", **asymmetric),
         compressed(asymmetric, None, dict(format="pack-quantized", largest=7)), shape=wide)
    eight = dict(num_bits=8, type="int", strategy="group", group_size=32, symmetric=False)
    case(root, "ct-w8a16-asym", ct("pack-quantized", **eight), compressed(eight, None, dict(format="pack-quantized", largest=127)))
    nvfp4 = dict(num_bits=4, type="float", strategy="tensor_group", group_size=16)
    case(root, "ct-nvfp4", ct("nvfp4-pack-quantized", **nvfp4),
         compressed(nvfp4, None, dict(format="nvfp4-pack-quantized", largest=6), global_scale=True))
    one_layer = dict(SHAPE, hidden_size=128, intermediate_size=128, num_hidden_layers=1)
    case(root, "ct-nvfp4-128", ct("nvfp4-pack-quantized", **nvfp4),
         compressed(nvfp4, None, dict(format="nvfp4-pack-quantized", largest=6), global_scale=True), shape=one_layer)
    case(root, "modelopt-nvfp4-128", {"quant_method": "modelopt", "quant_algo": "NVFP4"}, modelopt_nvfp4, shape=one_layer)
    # A scale for each row; those of down_proj are two blocks in memory.
    rows = dict(num_bits=4, type="int", strategy="channel")
    two_blocks = dict(SHAPE, intermediate_size=256, num_hidden_layers=1)
    case(root, "ct-w4a16-channel-256", ct("pack-quantized", **rows),
         compressed(rows, None, dict(format="pack-quantized", largest=7)), shape=two_blocks)
    of_gptq = lambda **other: dict({"quant_method": "gptq", "bits": 4, "group_size": 32, "sym": True, "desc_act": False}, **other)
    half = dict(dtype=torch.float16)
    case(root, "gptq", of_gptq(), gptq(4, 32, True), **half)
    case(root, "gptq-asym-v2", of_gptq(sym=False, checkpoint_format="gptq_v2"), gptq(4, 32, False, version=2), **half)
    case(root, "gptq-asym-64", of_gptq(sym=False, group_size=64), gptq(4, 64, False), shape=wide, **half)
    case(root, "gptq-act-order", of_gptq(sym=False, desc_act=True), gptq(4, 32, False, order=True), **half)
    case(root, "gptq-act-order-64", of_gptq(desc_act=True, group_size=64), gptq(4, 64, True, order=True), shape=wide, **half)
    case(root, "gptq-channel-256", of_gptq(group_size=-1), gptq(4, 256, True), shape=two_blocks, **half)
    case(root, "gptq-8", of_gptq(bits=8), gptq(8, 32, True), **half)
    case(root, "gptq-8-asym-64", of_gptq(bits=8, sym=False, group_size=64), gptq(8, 64, False), shape=wide, **half)
    case(root, "awq", {"quant_method": "awq", "bits": 4, "group_size": 32, "zero_point": True, "version": "gemm"}, awq(32), **half)
    case(root, "awq-64", {"quant_method": "awq", "bits": 4, "group_size": 64, "zero_point": True, "version": "gemm"}, awq(64),
         shape=wide, **half)
    case(root, "bnb-nf4", {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}, bits_and_bytes(False))
    case(root, "bnb-nf4-double", {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_use_double_quant": True},
         bits_and_bytes(True))
    case(root, "bnb-nf4-64", {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_use_double_quant": True},
         bits_and_bytes(True), shape=wide)
    of_fp4 = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "fp4"}
    case(root, "bnb-fp4", of_fp4, bits_and_bytes(False, "fp4"))
    case(root, "bnb-fp4-64", dict(of_fp4, bnb_4bit_use_double_quant=True), bits_and_bytes(True, "fp4"), shape=wide)
    case(root, "bnb-int8", {"quant_method": "bitsandbytes", "load_in_8bit": True}, bits_and_bytes_int8)
    everything = lambda name: "norm" not in name
    for suffix, size, shape in (("", 32, SHAPE), ("-64", 64, wide)):
        mixed = lambda name, w: mlx(8 if "down_proj" in name else 4, size)(name, w)
        overrides = {f"model.layers.{i}.mlp.down_proj": {"group_size": size, "bits": 8} for i in range(2)}
        case(root, "mlx" + suffix, dict({"group_size": size, "bits": 4}, **overrides), mixed, shape=shape, is_quantized=everything,
             tied=True, key="quantization", **half)
    case(root, "modelopt-fp8", {"quant_method": "modelopt", "quant_algo": "FP8"}, modelopt_fp8)
    case(root, "modelopt-fp8-rows", {"quant_method": "modelopt", "quant_algo": "FP8_PER_CHANNEL_PER_TOKEN"}, modelopt_fp8_rows,
         shape=one_layer)
    case(root, "modelopt-nvfp4", {"quant_method": "modelopt", "quant_algo": "NVFP4"}, modelopt_nvfp4)
    experts(root, "mxfp4-experts")


if __name__ == "__main__":
    torch.set_num_threads(1)
    target = Path(sys.argv[1])
    CASES = sys.argv[2:]
    target.mkdir(parents=True, exist_ok=True)
    cases(target)
