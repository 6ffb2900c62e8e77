# SPDX-License-Identifier: Apache-2.0
"""Records tiny models with the logits and greedy ids that transformers gives for them.

    pip install -r requirements.txt && python record_references.py ../resources/references [CASE...]

Without cases it records all of them anew. Each case is a folder: the model as its users have it (a Hugging Face folder, whose configuration
is there in the older layout too, or GGUF files), golden.json with prompts and greedy ids,
golden-logits.safetensors with the logits of every prompt position. Weights come from a seed. The
reference is computed in f32 on the CPU: from the written files of a folder, and for GGUF from the
weights as the file's types hold them.
"""

import json
import math
import shutil
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file

VOCABULARY = 96
GREEDY = 12
# The minimum gap between the best two logits: rounding cannot change a greedy id.
MIN_GAP = 2e-3

LARGE = dict(vocab_size=VOCABULARY, hidden_size=64, intermediate_size=64, num_hidden_layers=2,
             num_attention_heads=4, max_position_embeddings=256, pad_token_id=None,
             bos_token_id=1, eos_token_id=2, tie_word_embeddings=False)
GROUPED = dict(LARGE, num_key_value_heads=2)
SMALL = dict(GROUPED, hidden_size=32, head_dim=16)
GPT = dict(vocab_size=VOCABULARY, n_embd=64, n_head=4, n_layer=2, n_inner=96, n_positions=64,
           bos_token_id=1, eos_token_id=2)
LONG_FACTORS = [1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
MINISTRAL = dict(rope_type="yarn", rope_theta=1e6, factor=16.0, beta_fast=32.0, beta_slow=1.0, mscale=1.0,
                 mscale_all_dim=1.0, llama_4_scaling_beta=0.1)
SHORT_FACTORS = [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7]


def plain(theta=10000.0, **others):
    return dict({"rope_type": "default", "rope_theta": theta}, **others)


def build(kind, config):
    """Builds a model from its class name or the first part of it, with the configuration class of that model."""
    name = kind if kind.endswith("Generation") else "GPT2LMHeadModel" if kind == "GPT2" else kind + "ForCausalLM"
    # Llama computes InternLM 3, from a configuration of its own.
    model_class = transformers.LlamaForCausalLM if kind == "InternLM3" else getattr(transformers, name)
    config_class = transformers.InternLM3Config if kind == "InternLM3" else model_class.config_class
    return model_class._from_config(config_class(**config), attn_implementation="eager").float().eval()


def randomize(model, seed, dtype):
    """Sets random weights that `dtype` represents exactly."""
    random = np.random.default_rng(seed)
    named = type(model).__name__
    zero_is_one = named.startswith(("Gemma", "NemotronFor")) and not named.startswith(("Gemma3n", "Gemma4"))
    with torch.no_grad():
        for name, weight in sorted(model.named_parameters()):
            values = random.standard_normal(tuple(weight.shape)).astype(np.float32)
            norm = (name.endswith("weight") and (weight.ndim == 1 or name.endswith(("q_norm.weight", "k_norm.weight")))
                    or name.endswith(("router.scale", "router.per_expert_scale", "correct_output_scale")))
            if norm:
                values = 0.1 * values + (0 if zero_is_one else 1)
            else:
                values *= 0.05 if weight.ndim == 1 else 0.12
            weight.copy_(torch.from_numpy(values).to(dtype).float())
        for name, buffer in sorted(model.named_buffers()):
            if name.endswith("layer_scalar"):
                buffer.fill_(float(random.integers(3, 9)) / 4)
            if name.endswith(("e_score_correction_bias", "expert_bias")):
                values = 0.1 * random.standard_normal(tuple(buffer.shape)).astype(np.float32)
                buffer.copy_(torch.from_numpy(values).to(dtype).float())
    return model


def prompts(lengths):
    random = np.random.default_rng(7)
    return [random.integers(3, VOCABULARY, length).tolist() for length in lengths]


@torch.no_grad()
def golden(model, lengths):
    """Returns the cases, the logits of each prompt, and the smallest gap between the best two logits."""
    cases, logits, gap = [], {}, math.inf
    for i, prompt in enumerate(prompts(lengths)):
        ids = list(prompt)
        for step in range(GREEDY):
            rows = model(torch.tensor([ids]), use_cache=False).logits[0].float()
            if step == 0:
                logits[f"logits.{i}"] = rows.contiguous()
            best = torch.topk(rows[-1], 2)
            gap = min(gap, (best.values[0] - best.values[1]).item())
            ids.append(best.indices[0].item())
        cases.append({"prompt_ids": prompt, "greedy_ids": ids[len(prompt):]})
    return cases, logits, gap


def write_golden(folder, cases, logits):
    (folder / "golden.json").write_text(json.dumps(cases) + "\n")
    save_file(logits, folder / "golden-logits.safetensors")


def older(config):
    """Returns a configuration in the layout of transformers 4."""
    rope = config.pop("rope_parameters", None)
    if "text_config" in config:
        config["text_config"] = older(dict(config["text_config"], rope_parameters=rope or config["text_config"].pop("rope_parameters")))
        if config["model_type"] in ("qwen2_vl", "qwen2_5_vl"):
            text = config.pop("text_config")
            text.pop("model_type")
            text["rope_scaling"] = {"type": "mrope", "mrope_section": text["rope_scaling"]["mrope_section"]}
            config.update(text)
    elif rope and ("llama_4_scaling_beta" in rope or config["model_type"] == "gemma4_text"):
        config["rope_parameters"] = rope
    elif rope and "full_attention" in rope and config["model_type"] == "olmo3":
        full = dict(rope["full_attention"])
        config["rope_theta"] = full.pop("rope_theta")
        config["rope_scaling"] = full
    elif rope and "full_attention" in rope:
        full = dict(rope["full_attention"])
        config["rope_theta"] = full.pop("rope_theta")
        config["rope_local_base_freq"] = rope["sliding_attention"]["rope_theta"]
        config["rope_scaling"] = full if full["rope_type"] != "default" else None
    elif rope:
        rope = dict(rope)
        config["rope_theta"] = rope.pop("rope_theta")
        if "partial_rotary_factor" in rope:
            config["partial_rotary_factor"] = rope.pop("partial_rotary_factor")
        rope["type"] = rope.pop("rope_type")
        config["rope_scaling"] = rope if rope["type"] != "default" or "mrope_section" in rope else None
    if "dtype" in config:
        config["torch_dtype"] = config.pop("dtype")
    if config["model_type"] == "gemma4_text":
        full = next(iter(config.pop("per_layer_config").values()))
        config.update(global_head_dim=full["head_dim"], num_global_key_value_heads=full.get("num_key_value_heads"))
    if config["model_type"] == "nemotron_h":
        kinds = {"linear_attention": "M", "full_attention": "*", "mlp": "-", "moe": "E"}
        config["hybrid_override_pattern"] = "".join(kinds[kind] for kind in config.pop("layers_block_type"))
    if config["model_type"] == "granitemoehybrid":
        names = {"linear_attention": "mamba", "full_attention": "attention"}
        config["layer_types"] = [names[kind] for kind in config["layer_types"]]
    elif "layer_types" in config:
        types = config.pop("layer_types")
        config.pop("_sliding_window_pattern", None)
        if config["model_type"] == "lfm2":
            config["full_attn_idxs"] = [i for i, kind in enumerate(types) if kind == "full_attention"]
        if config["model_type"] in ("gemma3", "gemma3_text"):
            config["sliding_window_pattern"] = types.index("full_attention") + 1
        if config["model_type"] == "exaone4" and config["sliding_window"]:
            config["sliding_window_pattern"] = types.index("full_attention") + 1
        if config["model_type"] in ("ministral", "lfm2_moe", "gemma3n_text", "gemma4_text") or config.get("sliding_window", 0) is None:
            config["layer_types"] = types
    if config["model_type"] == "gpt_neox":
        config["rotary_pct"] = config.pop("partial_rotary_factor")
        config["rotary_emb_base"] = config.pop("rope_theta")
    if config["model_type"] == "minimax_m2":
        config["rotary_dim"] = int(config.pop("partial_rotary_factor") * config["head_dim"])
    if config["model_type"] in ("qwen2_moe", "qwen3_moe") and "num_local_experts" in config:
        config["num_experts"] = config.pop("num_local_experts")
    if config["model_type"] == "internlm3":
        config.update(qkv_bias=config.pop("attention_bias"), bias=config.pop("mlp_bias"))
    return config


def new_folder(root, name):
    """Returns an empty folder for a case; None for a case that was not asked for."""
    if CASES and name not in CASES:
        return None
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def without_prefix(file):
    """Renames tensors as a base model saves them."""
    tensors = {name.removeprefix("model."): tensor for name, tensor in load_file(file).items()}
    save_file(tensors, file, {"format": "pt"})


def internlm2(tensors):
    """Returns the tensors of a Llama of two KV heads as InternLM 2 has them."""
    names = {"embed_tokens": "tok_embeddings", "self_attn.o_proj": "attention.wo", "mlp.gate_proj": "feed_forward.w1",
             "mlp.up_proj": "feed_forward.w3", "mlp.down_proj": "feed_forward.w2", "input_layernorm": "attention_norm",
             "post_attention_layernorm": "ffn_norm", "lm_head": "output"}
    renamed = {}
    for name, tensor in tensors.items():
        if ".q_proj." in name:
            parts = [tensors[name.replace("q_proj", part)].chunk(2) for part in ("q_proj", "k_proj", "v_proj")]
            joined = torch.cat([part[head] for head in range(2) for part in parts])
            renamed[name.replace("self_attn.q_proj", "attention.wqkv")] = joined.contiguous()
        elif ".k_proj." not in name and ".v_proj." not in name:
            for old, new in names.items():
                name = name.replace(old, new) if old != "input_layernorm" or "post" not in name else name
            renamed[name] = tensor
    return renamed


def with_further_predictions(tensors):
    """Returns the tensors with those that predict further tokens, which transformers leaves on disk."""
    prefix = "model.language_model.layers.3."
    layer = {"mtp.layers.0." + name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    hidden = tensors["model.language_model.norm.weight"]
    norms = {f"mtp.{name}.weight": hidden.clone() for name in ("norm", "pre_fc_norm_embedding", "pre_fc_norm_hidden")}
    return {**tensors, **norms, "mtp.fc.weight": torch.ones(len(hidden), 2 * len(hidden), dtype=hidden.dtype),
            **{name: tensor.clone() for name, tensor in layer.items()}}


def published_mixture(tensors):
    """Returns tensors as Qwen3.5 is published: the experts of a layer are merged, but not those of further tokens."""
    merged = dict(with_further_predictions(tensors))
    layers = {name.split(".experts.")[0] + ".experts." for name in tensors if ".experts." in name}
    for prefix in layers:
        experts = range(len([name for name in tensors if name.startswith(prefix) and "gate_proj" in name]))
        part = lambda kind: torch.stack([merged.pop(f"{prefix}{expert}.{kind}.weight") for expert in experts])
        merged[prefix + "gate_up_proj"] = torch.cat([part("gate_proj"), part("up_proj")], 1)
        merged[prefix + "down_proj"] = part("down_proj")
    return merged


def published_experts(tensors):
    """Returns experts as Qwen3-VL is published: [inputs, outputs]."""
    return {name: tensor.transpose(1, 2).contiguous() if ".experts." in name else tensor for name, tensor in tensors.items()}


def folder_case(root, name, kind, config, *, dtype=torch.float16, shard=None, architecture=None, model_type=None,
                lengths=(5, 40), base=False, rearranged=None):
    """Writes a folder with its configuration in both layouts; transformers must read the same model from both."""
    folder = new_folder(root, name)
    if folder is None:
        return
    for seed in range(1, 400):
        model = randomize(build(kind, config), seed, dtype)
        if golden(model, lengths)[2] > MIN_GAP:
            break
    model.to(dtype).save_pretrained(folder, max_shard_size=shard or "1GB")
    (folder / "generation_config.json").unlink(missing_ok=True)
    if base:
        without_prefix(folder / "model.safetensors")
    path = folder / "config.json"
    newer_text = path.read_text()
    layouts = {"config-older.json": older(json.loads(newer_text)), "config.json": json.loads(newer_text)}
    recorded = []
    for config in layouts.values():
        path.write_text(json.dumps(config))
        read = type(model).from_pretrained(
            folder, config=type(model.config).from_pretrained(folder), dtype=torch.float32, attn_implementation="eager").eval()
        recorded.append(golden(read, lengths))
    for key, rows in recorded[0][1].items():
        assert torch.equal(rows, recorded[1][1][key]), name
    for file, config in layouts.items():
        if architecture:
            config.update(architectures=[architecture], model_type=model_type or architecture.lower())
        (folder / file).write_text(json.dumps(config, indent=1) + "\n")
    if rearranged:
        file = folder / "model.safetensors"
        save_file(rearranged(load_file(file)), file, {"format": "pt"})
    cases, logits, gap = recorded[1]
    assert gap > MIN_GAP, (name, gap)
    write_golden(folder, cases, logits)
    print(f"{name}: gap {gap:.1e}, seed {seed}")


# The conversions of weights by llama.cpp when it writes a GGUF file.

def mxfp4_case(root, name, kind, config, *, lengths=(5, 40)):
    """Writes a folder whose experts are in MXFP4, with random codes; the reference computes with what transformers decodes."""
    from transformers.integrations.mxfp4 import convert_moe_packed_tensors
    folder = new_folder(root, name)
    if folder is None:
        return
    for seed in range(1, 400):
        random = np.random.default_rng(seed)
        model = randomize(build(kind, config), seed, torch.bfloat16)
        packed = {}
        for key, weight in model.named_parameters():
            if not key.endswith(("experts.gate_up_proj", "experts.down_proj")):
                continue
            experts, inputs, outputs = weight.shape
            blocks = torch.from_numpy(random.integers(0, 256, (experts, outputs, inputs // 32, 16), dtype=np.uint8))
            scales = torch.from_numpy(random.integers(121, 125, (experts, outputs, inputs // 32), dtype=np.uint8))
            packed[key] = blocks, scales
            weight.data.copy_(convert_moe_packed_tensors(blocks, scales).float().reshape(weight.shape))
        cases, logits, gap = golden(model, lengths)
        if gap > MIN_GAP:
            break
    tensors = {key: value.to(torch.bfloat16).contiguous() for key, value in model.state_dict().items()}
    for key, (blocks, scales) in packed.items():
        del tensors[key]
        tensors[key + "_blocks"], tensors[key + "_scales"] = blocks, scales
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    written = json.loads(model.config.to_json_string())
    written["architectures"] = [kind + "ForCausalLM"]
    written["quantization_config"] = {"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]}
    (folder / "config.json").write_text(json.dumps(written, indent=1) + "\n")
    assert gap > MIN_GAP, (name, gap)
    write_golden(folder, cases, logits)
    print(f"{name}: gap {gap:.1e}, seed {seed}")


# The conversions of weights by llama.cpp when it writes a GGUF file.


def adjacent_pairs(values, heads):
    """Returns the rows of q and k in the order of rope on adjacent pairs."""
    rows = values.shape[0]
    return values.reshape(heads, 2, rows // heads // 2, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)


ADJACENT_PAIRS = ("arcee", "granite", "llama", "mistral3", "smollm3")


def converted(architecture, config, state):
    """Yields pairs of GGUF names and f32 values."""
    layers = config.num_hidden_layers
    arch = next(key for key, value in gguf.MODEL_ARCH_NAMES.items() if value == architecture)
    names = gguf.get_tensor_name_map(arch, layers)
    for name, weight in state.items():
        values = weight.float().numpy()
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        if architecture in ADJACENT_PAIRS and ".q_proj." in name:
            values = adjacent_pairs(values, config.num_attention_heads)
        if architecture in ADJACENT_PAIRS and ".k_proj." in name:
            values = adjacent_pairs(values, config.num_key_value_heads)
        if architecture.startswith(("gemma", "nemotron")) and name.endswith("norm.weight"):
            values = values + 1
        if architecture == "gpt2" and name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")):
            values = values.T
        if name.endswith("experts.gate_up_proj"):
            gate, up = np.split(values, 2, axis=1)
            layer = name.split(".")[2]
            yield f"blk.{layer}.ffn_gate_exps.weight", gate
            yield f"blk.{layer}.ffn_up_exps.weight", up
            continue
        if name.endswith("experts.down_proj"):
            yield f"blk.{name.split('.')[2]}.ffn_down_exps.weight", values
            continue
        found = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert found, name
        yield found, np.ascontiguousarray(values)


def header(writer, architecture, config):
    """Writes hyperparameters as the converters of llama.cpp do."""
    get = lambda key, otherwise=None: getattr(config, key, None) or otherwise
    heads = config.num_attention_heads
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(get("intermediate_size") or get("n_inner"))
    writer.add_head_count(heads)
    writer.add_head_count_kv(1 if architecture == "starcoder" else get("num_key_value_heads", heads))
    if get("rms_norm_eps"):
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    else:
        writer.add_layer_norm_eps(get("norm_epsilon") or get("layer_norm_eps") or get("norm_eps") or config.layer_norm_epsilon)
    if get("head_dim"):
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
    rope = get("rope_parameters", {})
    full = rope.get("full_attention", rope)
    if full:
        writer.add_rope_freq_base(full["rope_theta"])
        size = get("head_dim", config.hidden_size // heads)
        size = int(size * full.get("partial_rotary_factor", 1))
        writer.add_rope_dimension_count(size)
    if full.get("rope_type") == "linear":
        writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        writer.add_rope_scaling_factor(full["factor"])
    if full.get("rope_type") == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(full["factor"])
        writer.add_rope_scaling_orig_ctx_len(full["original_max_position_embeddings"])
    if architecture == "mistral3":
        writer.add_attn_temperature_scale(full["llama_4_scaling_beta"])
        writer.add_rope_scaling_yarn_log_mul(full["mscale_all_dim"])
    if full.get("rope_type") == "longrope":
        original = full["original_max_position_embeddings"]
        writer.add_rope_scaling_orig_ctx_len(original)
        factor = config.max_position_embeddings / original
        writer.add_rope_scaling_attn_factors(math.sqrt(1 + math.log(factor) / math.log(original)))
        writer.add_tensor("rope_factors_long.weight", np.array(full["long_factor"], np.float32))
        writer.add_tensor("rope_factors_short.weight", np.array(full["short_factor"], np.float32))
    if full.get("rope_type") == "llama3":
        writer.add_tensor("rope_freqs.weight", llama3_divisors(full, config))
    if architecture in ("cohere2", "exaone4", "gemma2", "gemma3", "phi3") and get("sliding_window"):
        writer.add_sliding_window(config.sliding_window)
    if architecture == "gemma2":
        writer.add_attn_logit_softcapping(config.attn_logit_softcapping)
        writer.add_final_logit_softcapping(config.final_logit_softcapping)
    if get("logit_scale"):
        writer.add_logit_scale(config.logit_scale)
    if architecture == "granite":
        writer.add_attention_scale(config.attention_multiplier)
        writer.add_embedding_scale(config.embedding_multiplier)
        writer.add_residual_scale(config.residual_multiplier)
        writer.add_logit_scale(config.logits_scaling)
    if get("num_experts_per_tok"):
        writer.add_expert_count(get("num_experts") or config.num_local_experts)
        writer.add_expert_used_count(config.num_experts_per_tok)
    if architecture == "qwen3moe":
        writer.add_expert_feed_forward_length(config.moe_intermediate_size)


def llama3_divisors(rope, config):
    """Returns the divisor of each frequency in Llama 3.1."""
    divisors = []
    for i in range(0, config.head_dim, 2):
        length = 2 * math.pi * rope["rope_theta"] ** (i / config.head_dim)
        original = rope["original_max_position_embeddings"]
        low, high = original / rope["low_freq_factor"], original / rope["high_freq_factor"]
        if length < high:
            divisors.append(1)
        elif length > low:
            divisors.append(rope["factor"])
        else:
            smooth = (original / length - rope["low_freq_factor"]) / (rope["high_freq_factor"] - rope["low_freq_factor"])
            divisors.append(1 / ((1 - smooth) / rope["factor"] + smooth))
    return np.array(divisors, np.float32)


def gguf_case(root, name, architecture, kind, config, *, types=("F16",), split=0, lengths=(5, 40), divisor=None):
    """Writes GGUF files whose matrices have the types in turn and whose vectors are F32.

    `divisor` divides all frequencies, on top of the rope of the configuration."""
    folder = new_folder(root, name)
    if folder is None:
        return
    exact = all(t in ("F32", "F16", "BF16") for t in types)
    for seed in range(1, 400):
        model = randomize(build(kind, config), seed, torch.bfloat16 if "BF16" in types else torch.float16)
        if not exact:
            round_trip(model, types)
        if divisor:
            model.model.rotary_emb.inv_freq /= divisor
        cases, logits, gap = golden(model, lengths)
        if gap > MIN_GAP:
            break
    writer = gguf.GGUFWriter(path=None, arch=architecture, split_max_tensors=split)
    header(writer, architecture, model.config)
    if divisor:
        writer.add_rope_scaling_factor(divisor)
    turn = 0
    for stored, values in converted(architecture, model.config, model.state_dict()):
        if values.ndim == 1:
            writer.add_tensor(stored, values)
            continue
        kind_of = getattr(gguf.GGMLQuantizationType, types[turn % len(types)])
        turn += 1
        if stored == "position_embd.weight":
            kind_of = gguf.GGMLQuantizationType.F32
        writer.add_tensor(stored, gguf.quants.quantize(values, kind_of), raw_dtype=kind_of)
    writer.write_header_to_file(folder / "model.gguf")
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert gap > MIN_GAP, (name, gap)
    write_golden(folder, cases, logits)
    print(f"{name}: gap {gap:.1e}, seed {seed}, {sorted(p.name for p in folder.glob('*.gguf'))}")


def round_trip(model, types):
    """Rounds weights to the types that store them: reordering rows does not change a block."""
    config = model.config
    order = [stored for stored, values in converted("llama", config, model.state_dict()) if values.ndim > 1]
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    with torch.no_grad():
        for name, weight in model.state_dict().items():
            if weight.ndim < 2 or (name == "lm_head.weight" and config.tie_word_embeddings):
                continue
            stored = names.get_name(name, try_suffixes=(".weight",))
            kind = getattr(gguf.GGMLQuantizationType, types[order.index(stored) % len(types)])
            weight.copy_(torch.from_numpy(gguf.quants.dequantize(gguf.quants.quantize(weight.numpy(), kind), kind)))


def folders(root):
    # Element types and files.
    folder_case(root, "llama-f16-sharded", "Llama", dict(SMALL, rope_parameters=plain()), shard="25KB")
    folder_case(root, "llama-bf16-sharded", "Llama", dict(SMALL, rope_parameters=plain()), dtype=torch.bfloat16, shard="25KB")
    folder_case(root, "mistral-f16", "Mistral", dict(SMALL, sliding_window=8, rope_parameters=plain()))
    # Positions.
    folder_case(root, "llama-long", "Llama", dict(SMALL, rope_parameters=plain()), lengths=(200,))
    folder_case(root, "llama-linear", "Llama", dict(SMALL, rope_parameters=plain(rope_type="linear", factor=4.0)))
    folder_case(root, "llama-dynamic", "Llama", dict(SMALL, rope_parameters=plain(rope_type="dynamic", factor=2.0)))
    short = dict(SMALL, max_position_embeddings=32)
    folder_case(root, "llama-linear-beyond", "Llama", dict(short, rope_parameters=plain(
        rope_type="linear", factor=4.0)), lengths=(20, 100))
    folder_case(root, "llama-yarn-beyond", "Llama", dict(short, rope_parameters=plain(
        rope_type="yarn", factor=4.0)), lengths=(20, 100))
    folder_case(root, "llama3", "Llama", dict(SMALL, rope_parameters=plain(
        500000.0, rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=32)))
    folder_case(root, "llama-yarn", "Llama", dict(SMALL, rope_parameters=plain(
        rope_type="yarn", factor=4.0, original_max_position_embeddings=64, attention_factor=1.3,
        beta_fast=16.0, beta_slow=2.0)))
    for length, original in (("long", 16), ("short", 256)):
        folder_case(root, f"phi3-longrope-{length}", "Phi3", dict(
            GROUPED, original_max_position_embeddings=original, sliding_window=None,
            rope_parameters=plain(rope_type="longrope", long_factor=LONG_FACTORS, short_factor=SHORT_FACTORS,
                                  original_max_position_embeddings=original)), lengths=(20, 40))
    folder_case(root, "phi3-partial", "Phi3", dict(
        GROUPED, sliding_window=None, rope_parameters=plain(partial_rotary_factor=0.5)))
    # Names without the prefix of the whole model.
    folder_case(root, "qwen3-base", "Qwen3", dict(SMALL, tie_word_embeddings=True, rope_parameters=plain(1e6)), base=True)
    # Families.
    folder_case(root, "gemma2-scalar", "Gemma2", dict(
        SMALL, tie_word_embeddings=True, query_pre_attn_scalar=24, sliding_window=8, attn_logit_softcapping=5.0,
        final_logit_softcapping=3.0, rope_parameters=plain()))
    gemma3 = dict(SMALL, tie_word_embeddings=True, num_hidden_layers=4, query_pre_attn_scalar=24, sliding_window=8,
                  layer_types=["sliding_attention", "full_attention"] * 2,
                  rope_parameters={"full_attention": plain(1e6, rope_type="linear", factor=8.0),
                                   "sliding_attention": plain()})
    folder_case(root, "gemma3-scalar", "Gemma3", gemma3)
    folder_case(root, "gemma4", "Gemma4", dict(
        SMALL, tie_word_embeddings=True, num_hidden_layers=4, sliding_window=8, layer_types=["sliding_attention", "full_attention"] * 2,
        hidden_size_per_layer_input=0, global_head_dim=32, num_global_key_value_heads=1, attention_k_eq_v=True,
        final_logit_softcapping=3.0))
    # The layers take turns as in E2B: the last ones read keys and values of earlier ones of their kind.
    turns = ["sliding_attention", "sliding_attention", "full_attention", "sliding_attention", "full_attention"]
    gemma4 = dict(SMALL, tie_word_embeddings=True, intermediate_size=32, sliding_window=8, global_head_dim=32)
    folder_case(root, "gemma4-layer-inputs", "Gemma4", dict(
        gemma4, hidden_size=24, num_hidden_layers=5, layer_types=turns, num_key_value_heads=1, num_kv_shared_layers=2,
        use_double_wide_mlp=True, hidden_size_per_layer_input=36, vocab_size_per_layer_input=VOCABULARY, final_logit_softcapping=3.0))
    folder_case(root, "gemma4-vision", "Gemma4ForConditionalGeneration", dict(
        text_config=dict(
            gemma4, hidden_size=24, num_hidden_layers=4, layer_types=turns[1:], num_key_value_heads=1, num_kv_shared_layers=2,
            hidden_size_per_layer_input=20, vocab_size_per_layer_input=VOCABULARY, pad_token_id=0),
        vision_config=dict(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=2,
                           head_dim=8, patch_size=4, position_embedding_size=16),
        audio_config=None, tie_word_embeddings=True))
    folder_case(root, "gemma4-moe", "Gemma4", dict(
        gemma4, num_hidden_layers=2, layer_types=turns[1:3], hidden_size_per_layer_input=0, num_global_key_value_heads=1,
        attention_k_eq_v=True, enable_moe_block=True, num_experts=4, top_k_experts=2, moe_intermediate_size=32))
    folder_case(root, "gemma3n", "Gemma3n", dict(
        SMALL, tie_word_embeddings=True, hidden_size=24, num_hidden_layers=5, sliding_window=8, layer_types=turns,
        num_kv_shared_layers=2, intermediate_size=[32, 64, 32, 32, 64], activation_sparsity_pattern=[0.8, 0.9, 0.0, 0.0, 0.0],
        altup_num_inputs=3, altup_active_idx=1, laurel_rank=8, hidden_size_per_layer_input=36,
        vocab_size_per_layer_input=VOCABULARY, final_logit_softcapping=3.0))
    qwen2 = dict(GROUPED, use_sliding_window=True, sliding_window=8, max_window_layers=1, rope_parameters=plain())
    folder_case(root, "qwen2-window-above", "Qwen2", qwen2)
    moe = dict(SMALL, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=32, norm_topk_prob=False,
               rope_parameters=plain())
    folder_case(root, "qwen3moe-weights-as-they-are", "Qwen3Moe", moe)
    mixtures(root, moe)
    # Layers that keep a state of each sequence. The older layout has no layer_types.
    delta = dict(SMALL, num_hidden_layers=4, tie_word_embeddings=True, layer_types=["linear_attention"] * 3 + ["full_attention"],
                 linear_conv_kernel_dim=4, linear_num_key_heads=2, linear_num_value_heads=4, linear_key_head_dim=8,
                 linear_value_head_dim=16, rope_parameters=plain(partial_rotary_factor=0.5))
    folder_case(root, "qwen3-5", "Qwen3_5", delta)
    folder_case(root, "lfm2", "Lfm2", dict(
        GROUPED, num_hidden_layers=3, tie_word_embeddings=True, layer_types=["conv", "full_attention", "conv"], conv_L_cache=3,
        conv_bias=True, intermediate_size=36, block_multiple_of=32, rope_parameters=plain(1e6)))
    folder_case(root, "lfm2-moe", "Lfm2Moe", dict(
        GROUPED, num_hidden_layers=2, tie_word_embeddings=True, layer_types=["conv", "full_attention"],
        conv_L_cache=3, intermediate_size=32, num_dense_layers=1, num_experts=3, num_experts_per_tok=2, moe_intermediate_size=48,
        routed_scaling_factor=1.5, rope_parameters=plain(1e6)))
    folder_case(root, "qwen3-5-moe", "Qwen3_5Moe", dict(
        delta, num_experts=3, num_experts_per_tok=2, moe_intermediate_size=16, shared_expert_intermediate_size=32))
    granite = dict(GROUPED, hidden_size=32, num_hidden_layers=3, tie_word_embeddings=True, num_local_experts=0,
                   layer_types=["linear_attention", "full_attention", "linear_attention"], shared_intermediate_size=64,
                   mamba_n_heads=4, mamba_n_groups=2, mamba_d_state=8, mamba_d_head=16, embedding_multiplier=3.0,
                   residual_multiplier=0.4, attention_multiplier=0.2, logits_scaling=0.5)
    folder_case(root, "granite-hybrid", "GraniteMoeHybrid", dict(granite, position_embedding_type=None))
    folder_case(root, "granite-hybrid-rope", "GraniteMoeHybrid", dict(
        granite, mamba_n_groups=1, position_embedding_type="rope", rope_parameters=plain(), time_step_limit=[0.5, 0.8]))
    folder_case(root, "granite-hybrid-moe", "GraniteMoeHybrid", dict(
        granite, num_local_experts=3, num_experts_per_tok=2, intermediate_size=16, position_embedding_type=None))
    nemotron = dict(GROUPED, hidden_size=32, head_dim=16, ssm_state_size=8, mamba_num_heads=4, mamba_head_dim=16, n_groups=2,
                    time_step_min=0.7, intermediate_size=80)
    del nemotron["num_hidden_layers"]
    folder_case(root, "nemotron-h", "NemotronH", dict(
        nemotron, layers_block_type=["linear_attention", "mlp", "full_attention", "mlp", "linear_attention"]))
    folder_case(root, "nemotron-h-moe", "NemotronH", dict(
        nemotron, layers_block_type=["linear_attention", "moe", "full_attention", "mlp", "moe"], n_routed_experts=4,
        num_experts_per_tok=2, moe_intermediate_size=48, moe_shared_expert_intermediate_size=40, routed_scaling_factor=1.5))
    folder_case(root, "nemotron-h-latent", "NemotronH", dict(
        nemotron, layers_block_type=["linear_attention", "moe", "full_attention", "moe"], n_routed_experts=6, num_experts_per_tok=3,
        moe_intermediate_size=48, moe_latent_size=20, moe_shared_expert_intermediate_size=40, routed_scaling_factor=1.5,
        n_group=3, topk_group=2))
    falcon = dict(GROUPED, hidden_size=32, tie_word_embeddings=True, mamba_d_ssm=64, mamba_n_heads=4, mamba_n_groups=2,
                  mamba_d_state=8, mamba_d_head=16, embedding_multiplier=3.0, lm_head_multiplier=1.5, key_multiplier=0.7,
                  attention_in_multiplier=0.8, attention_out_multiplier=0.9, ssm_in_multiplier=1.2, ssm_out_multiplier=0.6,
                  ssm_multipliers=[0.9, 1.1, 0.8, 1.3, 0.7], mlp_multipliers=[0.8, 1.4], rope_parameters=plain(1e6))
    folder_case(root, "falcon-h1", "FalconH1", dict(falcon, mamba_rms_norm=False))
    folder_case(root, "falcon-h1-norm", "FalconH1", dict(falcon, mamba_rms_norm=True, mamba_norm_before_gate=False))
    folder_case(root, "gptbigcode", "GPTBigCode", dict(GPT, multi_query=True))
    folder_case(root, "starcoder2-window", "Starcoder2", dict(
        GROUPED, tie_word_embeddings=True, sliding_window=8, use_bias=True, rope_parameters=plain()))
    folder_case(root, "olmo2", "Olmo2", dict(GROUPED, rope_parameters=plain()))
    folder_case(root, "gemma", "Gemma", dict(SMALL, tie_word_embeddings=True, rope_parameters=plain()))
    folder_case(root, "ministral3", "Ministral3", dict(SMALL, rope_parameters=dict(
        MINISTRAL, original_max_position_embeddings=8, max_position_embeddings=256)), lengths=(5, 40))
    folder_case(root, "ministral", "Ministral", dict(
        SMALL, sliding_window=8, layer_types=["sliding_attention", "full_attention"], rope_parameters=plain()))
    folder_case(root, "smollm3", "SmolLM3", dict(
        SMALL, num_hidden_layers=3, no_rope_layers=[1, 0, 1], rope_parameters=plain(2e6)))
    folder_case(root, "smollm3-interval", "SmolLM3", dict(
        SMALL, num_hidden_layers=3, no_rope_layer_interval=3, rope_parameters=plain(2e6)))
    folder_case(root, "olmo3", "Olmo3", dict(
        GROUPED, hidden_size=32, num_hidden_layers=4, sliding_window=8, rope_parameters={
            "sliding_attention": plain(5e5),
            "full_attention": plain(5e5, rope_type="yarn", factor=4.0, original_max_position_embeddings=64)}))
    exaone4 = dict(SMALL, num_hidden_layers=4, rope_parameters=plain(1e6))
    folder_case(root, "exaone4", "Exaone4", dict(exaone4, sliding_window=8))
    folder_case(root, "exaone4-full", "Exaone4", dict(
        exaone4, num_hidden_layers=2, sliding_window=None, layer_types=["full_attention"] * 2))
    folder_case(root, "phi4-mini", "Phi3", dict(
        GROUPED, original_max_position_embeddings=16, sliding_window=None, tie_word_embeddings=True, rope_parameters=plain(
            rope_type="longrope", partial_rotary_factor=0.75, long_factor=LONG_FACTORS[:6],
            short_factor=SHORT_FACTORS[:6], original_max_position_embeddings=16)), lengths=(20, 40))
    cohere = dict(GROUPED, tie_word_embeddings=True, logit_scale=0.25)
    folder_case(root, "cohere", "Cohere", dict(cohere, attention_bias=True, rope_parameters=plain()))
    folder_case(root, "cohere-norms", "Cohere", dict(
        cohere, hidden_size=32, num_attention_heads=4, use_qk_norm=True, rope_parameters=plain()))
    folder_case(root, "cohere2", "Cohere2", dict(
        cohere, hidden_size=32, num_hidden_layers=4, sliding_window=8, rope_parameters=plain(5e4)))
    half = plain(partial_rotary_factor=0.5)
    folder_case(root, "phi", "Phi", dict(GROUPED, hidden_size=32, rope_parameters=half))
    folder_case(root, "gpt-neox", "GPTNeoX", dict(LARGE, hidden_size=32, rope_parameters=half))
    falcon = {key: value for key, value in dict(LARGE, hidden_size=32, rope_parameters=plain()).items() if key != "intermediate_size"}
    folder_case(root, "falcon", "Falcon", dict(falcon, tie_word_embeddings=True, bias=True))
    folder_case(root, "falcon-grouped", "Falcon", dict(
        falcon, tie_word_embeddings=True, new_decoder_architecture=True, num_kv_heads=2, ffn_hidden_size=96))
    folder_case(root, "stablelm", "StableLm", dict(GROUPED, hidden_size=32, use_qkv_bias=True, rope_parameters=half))
    folder_case(root, "stablelm-parallel", "StableLm", dict(
        GROUPED, hidden_size=32, qk_layernorm=True, use_parallel_residual=True, rope_parameters=half))
    folder_case(root, "olmo", "Olmo", dict(GROUPED, hidden_size=32, rope_parameters=plain()))
    folder_case(root, "vaultgemma", "VaultGemma", dict(
        SMALL, tie_word_embeddings=True, query_pre_attn_scalar=24, sliding_window=8, attn_logit_softcapping=5.0,
        final_logit_softcapping=3.0, rope_parameters=plain()))
    folder_case(root, "internlm2", "Llama", dict(SMALL, rope_parameters=plain(1e6, rope_type="dynamic", factor=2.0)),
                architecture="InternLM2ForCausalLM", rearranged=internlm2)
    folder_case(root, "internlm3", "InternLM3", dict(
        SMALL, attention_bias=True, mlp_bias=True, rope_parameters=plain(5e7, rope_type="dynamic", factor=6.0)),
        architecture="InternLM3ForCausalLM", model_type="internlm3")
    folder_case(root, "glm", "Glm", dict(SMALL, attention_bias=True, rope_parameters=half))
    folder_case(root, "glm4", "Glm4", dict(SMALL, attention_bias=True, rope_parameters=half))
    folder_case(root, "nemotron", "Nemotron", dict(SMALL, mlp_bias=True, rope_parameters=half))
    folder_case(root, "arcee", "Arcee", dict(SMALL, rope_parameters=plain()))
    folder_case(root, "apertus", "Apertus", dict(SMALL, rope_parameters=plain(
        12e6, rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=32)))
    folder_case(root, "seed-oss", "SeedOss", dict(SMALL, rope_parameters=plain(1e7)))
    folder_case(root, "helium", "Helium", dict(GROUPED, head_dim=16, rope_parameters=plain(1e5)))
    folder_case(root, "ernie4-5", "Ernie4_5", dict(SMALL, tie_word_embeddings=True, rope_parameters=plain(5e5)))
    # Text of models of several modalities, with all other tensors in the files.
    vision = dict(hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=8, patch_size=4)
    folder_case(root, "gemma3-vision", "Gemma3ForConditionalGeneration", dict(
        text_config=dict(gemma3, num_hidden_layers=2, layer_types=["sliding_attention", "full_attention"]),
        vision_config=vision, mm_tokens_per_image=4, image_token_index=90, boi_token_index=91, eoi_token_index=92))
    pixtral = dict(vision, model_type="pixtral", head_dim=8)
    folder_case(root, "mistral-small3-vision", "Mistral3ForConditionalGeneration", dict(
        text_config=dict(SMALL, model_type="mistral", sliding_window=None, rope_parameters=plain(1e9)),
        vision_config=pixtral, image_token_index=90, tie_word_embeddings=False))
    folder_case(root, "ministral3-vision", "Mistral3ForConditionalGeneration", dict(
        text_config=dict(SMALL, model_type="ministral3", rope_parameters=dict(
            MINISTRAL, original_max_position_embeddings=16, max_position_embeddings=256)),
        vision_config=pixtral, image_token_index=90, tie_word_embeddings=False))
    sections = plain(1e6, mrope_section=[2, 3, 3])
    qwen_vision = dict(depth=1, hidden_size=16, num_heads=2, intermediate_size=16, out_hidden_size=64, patch_size=4)
    folder_case(root, "qwen2-vl", "Qwen2VLForConditionalGeneration", dict(
        text_config=dict(GROUPED, rope_parameters=sections),
        vision_config=dict(depth=1, embed_dim=16, hidden_size=64, num_heads=2, mlp_ratio=1, patch_size=4)))
    folder_case(root, "qwen2-5-vl", "Qwen2_5_VLForConditionalGeneration", dict(
        text_config=dict(GROUPED, rope_parameters=sections), vision_config=qwen_vision))
    folder_case(root, "qwen3-vl", "Qwen3VLForConditionalGeneration", dict(
        text_config=dict(SMALL, rope_parameters=dict(sections, mrope_interleaved=True)),
        vision_config=dict(qwen_vision, out_hidden_size=32, num_position_embeddings=4, deepstack_visual_indexes=[0])))
    delta = dict(SMALL, num_hidden_layers=4, linear_conv_kernel_dim=4, linear_num_key_heads=2, linear_num_value_heads=4,
                 linear_key_head_dim=8, linear_value_head_dim=16, attn_output_gate=True, full_attention_interval=4,
                 mtp_num_hidden_layers=1, rope_parameters=plain(
                     1e7, partial_rotary_factor=0.5, mrope_section=[2, 1, 1], mrope_interleaved=True))
    visual = dict(qwen_vision, out_hidden_size=32, num_position_embeddings=4)
    folder_case(root, "qwen3-5-vision", "Qwen3_5ForConditionalGeneration", dict(text_config=delta, vision_config=visual),
                rearranged=with_further_predictions)
    folder_case(root, "qwen3-5-moe-vision", "Qwen3_5MoeForConditionalGeneration", dict(
        text_config=dict(delta, num_experts=3, num_experts_per_tok=2, moe_intermediate_size=16,
                         shared_expert_intermediate_size=32), vision_config=visual),
        rearranged=published_mixture)
    folder_case(root, "glm4v", "Glm4vForConditionalGeneration", dict(
        text_config=dict(GROUPED, hidden_size=32, rope_parameters=plain(partial_rotary_factor=0.5, mrope_section=[1, 0, 1])),
        vision_config=dict(depth=1, hidden_size=16, num_heads=2, intermediate_size=16, out_hidden_size=32, patch_size=4,
                           image_size=8)))
    folder_case(root, "glm4v-moe", "Glm4vMoeForConditionalGeneration", dict(
        text_config=dict(GROUPED, hidden_size=32, n_routed_experts=4, n_shared_experts=1, num_experts_per_tok=2,
                         moe_intermediate_size=32, first_k_dense_replace=1, routed_scaling_factor=1.5,
                         rope_parameters=plain(partial_rotary_factor=0.5, mrope_section=[1, 0, 1])),
        vision_config=dict(depth=1, hidden_size=16, num_heads=2, intermediate_size=16, out_hidden_size=32, patch_size=4,
                           image_size=8)))
    folder_case(root, "qwen3-vl-moe", "Qwen3VLMoeForConditionalGeneration", dict(
        text_config=dict(SMALL, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=48,
                         rope_parameters=dict(sections, mrope_interleaved=True)),
        vision_config=dict(qwen_vision, out_hidden_size=32, num_position_embeddings=4, deepstack_visual_indexes=[0])),
        rearranged=published_experts)
    folder_case(root, "lfm2-vl", "Lfm2VlForConditionalGeneration", dict(
        text_config=dict(GROUPED, model_type="lfm2", num_hidden_layers=2, layer_types=["conv", "full_attention"], conv_L_cache=3,
                         intermediate_size=36, block_auto_adjust_ff_dim=False, rope_parameters=plain(1e6)),
        vision_config=dict(vision, model_type="siglip2_vision_model", num_patches=4), image_token_id=90,
        projector_hidden_size=16))
    folder_case(root, "llava", "LlavaForConditionalGeneration", dict(
        text_config=dict(SMALL, model_type="llama", rope_parameters=plain()),
        vision_config=dict(vision, model_type="clip_vision_model", projection_dim=16), image_token_index=90))
    clip = dict(vision, model_type="clip_vision_model", projection_dim=16)
    llama = dict(SMALL, model_type="llama", rope_parameters=plain())
    folder_case(root, "llava-next", "LlavaNextForConditionalGeneration", dict(
        text_config=dict(SMALL, model_type="mistral", sliding_window=None, rope_parameters=plain(1e6)), vision_config=clip,
        image_token_index=90, image_grid_pinpoints=[[8, 8]]))
    folder_case(root, "idefics3", "Idefics3ForConditionalGeneration", dict(
        text_config=llama, vision_config=dict(vision, model_type="idefics3_vision"), image_token_id=90, scale_factor=1))
    # Without a scale of the logits: the class with images leaves it out, unlike that of text.
    folder_case(root, "aya-vision", "AyaVisionForConditionalGeneration", dict(
        text_config=dict(SMALL, model_type="cohere2", num_hidden_layers=4, tie_word_embeddings=True, logit_scale=1.0,
                         sliding_window=8, rope_parameters=plain(5e4)),
        vision_config=dict(vision, model_type="siglip_vision_model"), image_token_index=90))
    folder_case(root, "internvl", "InternVLForConditionalGeneration", dict(
        text_config=dict(SMALL, model_type="qwen3", rope_parameters=plain(1e6)),
        vision_config=dict(vision, model_type="internvl_vision", image_size=[8, 8], patch_size=[4, 4]), image_token_id=90,
        tie_word_embeddings=False))
    folder_case(root, "voxtral", "VoxtralForConditionalGeneration", dict(
        text_config=llama, audio_token_id=90, audio_config=dict(
            hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, num_mel_bins=4,
            max_source_positions=8)))
    folder_case(root, "generic-decoder", "Llama", dict(SMALL, attention_bias=True, rope_parameters=plain()),
                architecture="NobodyForCausalLM")


def mixtures(root, moe):
    """Mixtures of experts that have dense layers, shared experts or a choice of their own."""
    folder_case(root, "qwen3moe-sparse-step", "Qwen3Moe", dict(moe, decoder_sparse_step=2, norm_topk_prob=True))
    folder_case(root, "qwen2moe", "Qwen2Moe", dict(
        moe, num_hidden_layers=3, mlp_only_layers=[1], shared_expert_intermediate_size=48))
    routed = dict(SMALL, num_hidden_layers=2, num_experts_per_tok=2, n_routed_experts=8, n_shared_experts=1,
                  moe_intermediate_size=32, first_k_dense_replace=1, routed_scaling_factor=1.5, norm_topk_prob=True,
                  rope_parameters=plain())
    folder_case(root, "glm4moe", "Glm4Moe", dict(
        routed, n_group=4, topk_group=2, use_qk_norm=True, attention_bias=True,
        rope_parameters=plain(partial_rotary_factor=0.5)))
    folder_case(root, "dots1", "Dots1", dict(
        routed, n_routed_experts=4, n_shared_experts=2, norm_topk_prob=False, first_k_dense_replace=0, sliding_window=8,
        max_window_layers=1))
    folder_case(root, "minimaxm2", "MiniMaxM2", dict(
        SMALL, num_local_experts=4, num_experts_per_tok=2, intermediate_size=32,
        rope_parameters=plain(5e6, partial_rotary_factor=0.5)))
    folder_case(root, "olmoe", "Olmoe", dict(
        GROUPED, hidden_size=32, num_experts=4, num_experts_per_tok=2, intermediate_size=32, rope_parameters=plain()))
    folder_case(root, "solar-open", "SolarOpen", {key: value for key, value in dict(
        routed, n_routed_experts=4).items() if key not in ("first_k_dense_replace", "intermediate_size")})
    exaone = {key: value for key, value in routed.items() if not key.startswith("n_")}
    folder_case(root, "exaone-moe", "ExaoneMoe", dict(
        exaone, num_hidden_layers=4, num_experts=4, num_shared_experts=2, moe_intermediate_size=16, sliding_window=8,
        sliding_window_pattern=2))
    latent = dict(routed, hidden_size=32, q_lora_rank=24, kv_lora_rank=32, qk_nope_head_dim=16, qk_rope_head_dim=8,
                  v_head_dim=24, num_key_value_heads=4, n_routed_experts=4)
    del latent["head_dim"]
    yarn = plain(rope_type="yarn", factor=4.0, original_max_position_embeddings=64, mscale=0.7, mscale_all_dim=0.9)
    folder_case(root, "deepseek-v2", "DeepseekV2", dict(
        latent, q_lora_rank=None, norm_topk_prob=False, topk_method="group_limited_greedy", n_group=2, topk_group=1,
        rope_parameters=yarn))
    folder_case(root, "deepseek-v3", "DeepseekV3", dict(
        latent, n_group=2, topk_group=2, rope_interleave=False, attention_bias=True, rope_parameters=yarn))
    folder_case(root, "kimi-k2", "DeepseekV3", dict(
        latent, n_group=1, topk_group=1, routed_scaling_factor=2.827, rope_parameters=plain(
            5e4, rope_type="yarn", factor=32.0, beta_fast=1.0, beta_slow=1.0, mscale=1.0, mscale_all_dim=1.0,
            original_max_position_embeddings=16)), architecture="DeepseekV3ForCausalLM", model_type="kimi_k2")
    folder_case(root, "mistral4", "Mistral4", dict(latent, rope_parameters=dict(
        yarn, mscale=1.0, mscale_all_dim=1.0, llama_4_scaling_beta=0.3, original_max_position_embeddings=8,
        partial_rotary_factor=8 / 24)))
    dense = {key: value for key, value in latent.items() if "expert" not in key and not key.startswith(("moe_", "norm_topk", "first_k", "routed"))}
    folder_case(root, "youtu", "Youtu", dict(dense, tie_word_embeddings=True))
    del latent["first_k_dense_replace"]
    folder_case(root, "glm4moelite", "Glm4MoeLite", latent)
    llama4 = dict(SMALL, num_hidden_layers=4, intermediate_size=32, intermediate_size_mlp=48, num_local_experts=3,
                  interleave_moe_layer_step=2, no_rope_layer_interval=2, attention_chunk_size=16, floor_scale=8, attn_scale=0.3,
                  rope_parameters=plain(5e5, rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                                        original_max_position_embeddings=32))
    folder_case(root, "llama4", "Llama4", dict(llama4, num_experts_per_tok=2))
    folder_case(root, "llama4-vision", "Llama4ForConditionalGeneration", dict(
        text_config=dict(llama4, num_hidden_layers=2, interleave_moe_layer_step=1, use_qk_norm=False,
                         attn_temperature_tuning=False),
        vision_config=dict(hidden_size=16, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2, image_size=8,
                           patch_size=4, vision_output_dim=16, projector_input_dim=16, projector_output_dim=16),
        image_token_index=90, boi_token_index=91, eoi_token_index=92))
    gptoss = dict(
        GROUPED, hidden_size=32, head_dim=8, intermediate_size=32, num_local_experts=4, num_experts_per_tok=2, sliding_window=8,
        layer_types=["sliding_attention", "full_attention"], rope_parameters=plain(
            150000.0, rope_type="yarn", factor=4.0, original_max_position_embeddings=64, truncate=False))
    mxfp4_case(root, "gptoss-mxfp4", "GptOss", gptoss)
    # Each of two ranks has several blocks of an expert's columns.
    mxfp4_case(root, "gptoss-mxfp4-128", "GptOss", dict(gptoss, intermediate_size=128))
    folder_case(root, "hunyuan", "HunYuanDenseV1", dict(SMALL, tie_word_embeddings=True, rope_parameters=plain(
        rope_type="dynamic", alpha=50.0, factor=1.0)))
    folder_case(root, "hunyuan-moe", "HunYuanMoEV1", dict(
        SMALL, num_experts=4, moe_topk=2, intermediate_size=32, rope_parameters=plain(
            rope_type="dynamic", alpha=50.0, factor=1.0)))
    folder_case(root, "ernie4_5moe", "Ernie4_5_Moe", dict(
        SMALL, tie_word_embeddings=True, moe_num_experts=4, moe_k=2, moe_intermediate_size=32,
        moe_num_shared_experts=2, rope_parameters=plain(5e5)))
    granite = dict(
        GROUPED, hidden_size=32, num_local_experts=4, num_experts_per_tok=2, intermediate_size=32, attention_multiplier=0.1,
        embedding_multiplier=3.0, residual_multiplier=0.4, logits_scaling=0.5, rope_parameters=plain())
    folder_case(root, "granitemoe", "GraniteMoe", granite)
    folder_case(root, "granitemoeshared", "GraniteMoeShared", dict(granite, shared_intermediate_size=48))


def gguf_files(root):
    gguf_case(root, "gguf-llama-tied-mixed", "llama", "Llama", dict(SMALL, tie_word_embeddings=True, rope_parameters=plain()),
              types=("F16", "F32", "BF16"))
    gguf_case(root, "gguf-llama-split", "llama", "Llama", dict(SMALL, rope_parameters=plain()), types=("F16", "BF16"), split=7)
    gguf_case(root, "gguf-llama-quantized-mixed", "llama", "Llama", dict(SMALL, tie_word_embeddings=True, rope_parameters=plain()),
              types=("Q8_0", "Q5_1", "F16", "Q4_0", "Q5_0", "Q4_1"))
    gguf_case(root, "gguf-llama3", "llama", "Llama", dict(SMALL, rope_parameters=plain(
        500000.0, rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=32)))
    gguf_case(root, "gguf-llama3-and-linear", "llama", "Llama", dict(SMALL, rope_parameters=plain(
        500000.0, rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=32)), divisor=2.0)
    gguf_case(root, "gguf-gemma3", "gemma3", "Gemma3", dict(
        SMALL, tie_word_embeddings=True, num_hidden_layers=6, query_pre_attn_scalar=16, sliding_window=8,
        layer_types=["sliding_attention"] * 5 + ["full_attention"],
        rope_parameters={"full_attention": plain(1e6, rope_type="linear", factor=8.0), "sliding_attention": plain()}))
    gguf_case(root, "gguf-gemma2", "gemma2", "Gemma2", dict(
        SMALL, tie_word_embeddings=True, query_pre_attn_scalar=16, sliding_window=8, attn_logit_softcapping=5.0,
        final_logit_softcapping=3.0, rope_parameters=plain()))
    gguf_case(root, "gguf-mixtral", "llama", "Mixtral", dict(
        SMALL, num_local_experts=4, num_experts_per_tok=2, intermediate_size=32, sliding_window=None,
        rope_parameters=plain()))
    gguf_case(root, "gguf-granite", "granite", "Granite", dict(
        GROUPED, attention_multiplier=0.1, embedding_multiplier=3.0, residual_multiplier=0.4, logits_scaling=0.5,
        rope_parameters=plain()))
    gguf_case(root, "gguf-qwen2-yarn", "qwen2", "Qwen2", dict(GROUPED, rope_parameters=plain(
        rope_type="yarn", factor=4.0, original_max_position_embeddings=64)))
    gguf_case(root, "gguf-qwen3", "qwen3", "Qwen3", dict(SMALL, tie_word_embeddings=True, rope_parameters=plain(1e6)))
    gguf_case(root, "gguf-qwen3moe", "qwen3moe", "Qwen3Moe", dict(
        SMALL, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=32, norm_topk_prob=True, rope_parameters=plain(1e6)))
    gguf_case(root, "gguf-olmo2", "olmo2", "Olmo2", dict(GROUPED, rope_parameters=plain()))
    gguf_case(root, "gguf-gpt2", "gpt2", "GPT2", dict(GPT))
    gguf_case(root, "gguf-starcoder", "starcoder", "GPTBigCode", dict(GPT, multi_query=True))
    gguf_case(root, "gguf-starcoder2", "starcoder2", "Starcoder2", dict(
        GROUPED, tie_word_embeddings=True, sliding_window=None, use_bias=True, rope_parameters=plain()))
    gguf_case(root, "gguf-phi3-longrope", "phi3", "Phi3", dict(
        GROUPED, original_max_position_embeddings=16, sliding_window=None,
        rope_parameters=plain(rope_type="longrope", long_factor=LONG_FACTORS, short_factor=SHORT_FACTORS,
                              original_max_position_embeddings=16)), lengths=(20, 40))


    gguf_case(root, "gguf-gemma", "gemma", "Gemma", dict(SMALL, tie_word_embeddings=True, rope_parameters=plain()))
    gguf_case(root, "gguf-mistral3", "mistral3", "Ministral3", dict(SMALL, rope_parameters=dict(
        MINISTRAL, original_max_position_embeddings=16, max_position_embeddings=256)))
    gguf_case(root, "gguf-smollm3", "smollm3", "SmolLM3", dict(SMALL, num_hidden_layers=4, rope_parameters=plain(2e6)))
    gguf_case(root, "gguf-exaone4", "exaone4", "Exaone4", dict(
        SMALL, num_hidden_layers=4, sliding_window=8, rope_parameters=plain(1e6)))
    cohere = dict(GROUPED, hidden_size=32, tie_word_embeddings=True, logit_scale=0.25)
    gguf_case(root, "gguf-command-r", "command-r", "Cohere", dict(cohere, rope_parameters=plain()))
    gguf_case(root, "gguf-command-r-norms", "command-r", "Cohere", dict(cohere, use_qk_norm=True, rope_parameters=plain()))
    gguf_case(root, "gguf-cohere2", "cohere2", "Cohere2", dict(
        cohere, num_hidden_layers=4, sliding_window=8, rope_parameters=plain(5e4)))
    half = plain(partial_rotary_factor=0.5)
    gguf_case(root, "gguf-glm4", "glm4", "Glm4", dict(SMALL, attention_bias=True, rope_parameters=half))
    gguf_case(root, "gguf-nemotron", "nemotron", "Nemotron", dict(SMALL, rope_parameters=half))
    gguf_case(root, "gguf-arcee", "arcee", "Arcee", dict(SMALL, rope_parameters=plain()))
    gguf_case(root, "gguf-seed-oss", "seed_oss", "SeedOss", dict(SMALL, attention_bias=True, rope_parameters=plain(1e7)))
    gguf_case(root, "gguf-ernie4-5", "ernie4_5", "Ernie4_5", dict(SMALL, tie_word_embeddings=True, rope_parameters=plain(5e5)))


if __name__ == "__main__":
    torch.set_num_threads(1)
    target = Path(sys.argv[1])
    CASES = sys.argv[2:]
    if not CASES:
        shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True, exist_ok=True)
    folders(target)
    gguf_files(target)
