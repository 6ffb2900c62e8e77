# SPDX-License-Identifier: Apache-2.0
"""Converts recorded folders to GGUF files with llama.cpp's own conversion, and copies what transformers gave for them.

    pip download --no-deps --no-binary :all: llama-cpp-python==0.3.36    # has llama.cpp and its conversion; unpack it
    python convert_references.py .../vendor/llama.cpp ../resources/references [CASE...]

A case is named after its folder, with `gguf-` before. Types of its matrices are those of the folder, or F32 where the conversion
multiplies weights by factors. The files have no vocabulary.
"""

import json
import shutil
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [sys.argv[1], f"{sys.argv[1]}/gguf-py"]  # before the installed gguf is imported

import gguf
import numpy as np
import torch
from safetensors.torch import load_file, save_file
from conversion import ModelBase, ModelType, get_model_architecture, get_model_class

import record_references as rr

PLAIN = rr.plain()
DELTA = dict(rr.SMALL, num_hidden_layers=4, layer_types=["linear_attention"] * 3 + ["full_attention"], linear_conv_kernel_dim=4,
             linear_num_key_heads=2, linear_num_value_heads=4, linear_key_head_dim=16, linear_value_head_dim=16,
             num_experts=4, num_experts_per_tok=2, moe_intermediate_size=16, shared_expert_intermediate_size=32,
             rope_parameters=rr.plain(partial_rotary_factor=0.5))
# Files of llama.cpp have one factor of YaRN, and turn adjacent pairs.
LATENT = dict(rr.SMALL, num_hidden_layers=2, kv_lora_rank=32, qk_nope_head_dim=16, qk_rope_head_dim=8, v_head_dim=24,
              num_key_value_heads=4, n_routed_experts=4, n_shared_experts=1, num_experts_per_tok=2, moe_intermediate_size=32,
              first_k_dense_replace=1, routed_scaling_factor=1.5, rope_parameters=rr.plain(
                  rope_type="yarn", factor=4.0, original_max_position_embeddings=64, mscale=0.9, mscale_all_dim=0.9))
del LATENT["head_dim"]
# Files have no factor for a head that is the embedding.
FALCON = dict(rr.GROUPED, hidden_size=32, head_dim=8, num_hidden_layers=2, mamba_d_ssm=64, mamba_n_heads=4, mamba_n_groups=2,
              mamba_d_state=8, mamba_d_head=16, embedding_multiplier=3.0, lm_head_multiplier=1.5, key_multiplier=0.7,
              attention_in_multiplier=0.8, attention_out_multiplier=0.9, ssm_in_multiplier=1.2, ssm_out_multiplier=0.6,
              ssm_multipliers=[0.9, 1.1, 0.8, 1.3, 0.7], mlp_multipliers=[0.8, 1.4], rope_parameters=rr.plain(1e6))

VISION = dict(depth=1, hidden_size=16, num_heads=2, intermediate_size=16, out_hidden_size=32, patch_size=4,
              num_position_embeddings=4, deepstack_visual_indexes=[0])

# Recorded folders, the type of their matrices, and keys that published configurations have and transformers does not write.
CASES = {
    "glm4moe": ("f16", {}),
    "glm4moelite": ("f16", {}),
    "granite-hybrid": ("f16", {}),
    "granite-hybrid-moe": ("f16", {}),
    "gptoss-mxfp4": ("bf16", {}),
    "olmoe": ("f16", {}),
    "minimaxm2": ("f16", {"rotary_dim": 8}),
    "ernie4_5moe": ("f16", {}),
    "granitemoeshared": ("f16", {}),
    "hunyuan": ("f16", {"max_position_embeddings": 32768}),
    "apertus": ("f16", {}),
    "qwen3-5": ("f16", {}),
    "qwen3-5-moe": ("f16", {}),
    "olmo3": ("f16", {}),
    "qwen2-5-vl": ("f16", {}),
    "qwen3-vl": ("f16", {}),
    "gemma4": ("f16", {}),
    "gemma4-layer-inputs": ("f16", {}),
}

# Models that are converted once more, with gate and up of experts in one matrix.
FUSED = {"qwen3-5-moe", "qwen3next"}

# Models of which no recorded folder can be converted.
MADE = {
    "dots1": ("Dots1", dict(
        rr.SMALL, n_routed_experts=4, n_shared_experts=2, num_experts_per_tok=2, moe_intermediate_size=32, first_k_dense_replace=1,
        routed_scaling_factor=1.5, norm_topk_prob=True, rope_parameters=PLAIN)),
    "qwen2moe": ("Qwen2Moe", dict(
        rr.SMALL, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=32, shared_expert_intermediate_size=48,
        rope_parameters=PLAIN)),
    "lfm2": ("Lfm2", dict(
        rr.GROUPED, num_hidden_layers=3, tie_word_embeddings=True, layer_types=["conv", "full_attention", "conv"], conv_L_cache=3,
        conv_bias=False, intermediate_size=36, block_multiple_of=32, rope_parameters=rr.plain(1e6))),
    # Files have no factor for the weights of experts.
    "lfm2-moe": ("Lfm2Moe", dict(
        rr.GROUPED, tie_word_embeddings=True, layer_types=["conv", "full_attention"], conv_L_cache=3, conv_bias=False,
        intermediate_size=32, moe_intermediate_size=48, num_experts=3, num_experts_per_tok=2, num_dense_layers=1,
        routed_scaling_factor=1.0, norm_topk_prob=True, use_expert_bias=True, rope_parameters=rr.plain(1e6))),
    "qwen3next": ("Qwen3Next", DELTA),
    "qwen3vlmoe": ("Qwen3VLMoeForConditionalGeneration", dict(vision_config=VISION, text_config=dict(
        rr.SMALL, num_experts=4, num_experts_per_tok=2, moe_intermediate_size=32,
        rope_parameters=rr.plain(1e6, mrope_section=[2, 3, 3], mrope_interleaved=True)))),
    "falcon-h1": ("FalconH1", dict(FALCON, mamba_rms_norm=False)),
    "falcon-h1-norm": ("FalconH1", dict(FALCON, mamba_rms_norm=True, mamba_norm_before_gate=False)),
    # Files have four residuals.
    "gemma3n": ("Gemma3n", dict(
        rr.SMALL, tie_word_embeddings=True, hidden_size=24, num_hidden_layers=4, sliding_window=8,
        layer_types=["sliding_attention", "full_attention"] * 2, num_kv_shared_layers=2, intermediate_size=[32, 64, 32, 32],
        activation_sparsity_pattern=[0.8, 0.9, 0.0, 0.0], altup_num_inputs=4, altup_active_idx=1, laurel_rank=8,
        hidden_size_per_layer_input=36, vocab_size_per_layer_input=rr.VOCABULARY, final_logit_softcapping=3.0)),
    "gemma4-moe": ("Gemma4", dict(
        rr.SMALL, tie_word_embeddings=True, intermediate_size=48, sliding_window=8, global_head_dim=32, num_hidden_layers=2,
        layer_types=["sliding_attention", "full_attention"], hidden_size_per_layer_input=0, num_global_key_value_heads=1,
        attention_k_eq_v=True, enable_moe_block=True, num_experts=4, top_k_experts=2, moe_intermediate_size=32)),
    "deepseek-v2": ("DeepseekV2", dict(
        LATENT, q_lora_rank=None, norm_topk_prob=False, topk_method="group_limited_greedy", n_group=2, topk_group=1)),
    "deepseek-v3": ("DeepseekV3", dict(LATENT, q_lora_rank=24, norm_topk_prob=True, n_group=2, topk_group=2)),
}


def vocabulary(source):
    """Writes as many tokens as models have: the conversion of Gemma counts them."""
    words = {str(i): i for i in range(rr.VOCABULARY)}
    (source / "tokenizer.json").write_text(json.dumps({"model": {"vocab": words}, "added_tokens": []}))


def convert(source, target, kind, **options):
    types = {"f32": gguf.LlamaFileType.ALL_F32, "f16": gguf.LlamaFileType.MOSTLY_F16, "bf16": gguf.LlamaFileType.MOSTLY_BF16}
    with torch.inference_mode():
        keys = ModelBase.load_hparams(source, False)
        converter = get_model_class(get_model_architecture(keys, ModelType.TEXT), mmproj=False)
        if converter.supports_mtp_export:
            converter.no_mtp = True
        converter.set_vocab = lambda self: None
        converter(source, types[kind], target, **options).write()


def recorded(references, name, added, source):
    """Copies a recorded folder; returns where its golden files are."""
    for file in (references / name).glob("model*.safetensors"):
        tensors = load_file(file)
        # The conversion computes in the type that it finds.
        wide = {key: value.float() if value.is_floating_point() else value for key, value in tensors.items()}
        save_file(wide, source / file.name, {"format": "pt"})
    # Published hybrids of IBM name the kinds of their layers as older versions do.
    older = name.startswith("granite-hybrid")
    config = json.loads((references / name / ("config-older.json" if older else "config.json")).read_text())
    (source / "config.json").write_text(json.dumps(dict(config, **added)))
    return references / name


def published_experts(file):
    """Transposes experts, which are `[inputs, outputs]` in published files of this model."""
    tensors = {key: value.transpose(1, 2).contiguous() if ".experts." in key else value for key, value in load_file(file).items()}
    save_file(tensors, file, {"format": "pt"})


def made(name, source):
    """Writes a folder with random weights and its golden files."""
    for seed in range(1, 400):
        model = rr.randomize(rr.build(*MADE[name]), seed, torch.float16)
        cases, logits, gap = rr.golden(model, (5, 40))
        if gap > rr.MIN_GAP:
            break
    assert gap > rr.MIN_GAP, (name, gap)
    model.save_pretrained(source)
    if name == "qwen3vlmoe":
        published_experts(source / "model.safetensors")
    rr.write_golden(source, cases, logits)
    return source


def unsplit(split, target):
    """Writes a file of DeepSeek as conversions before 2025-04 did: keys and values of a head in one matrix, and no other sizes."""
    reader = gguf.GGUFReader(split)
    arch = "deepseek2"
    own = {f"{arch}.attention.{kind}_length": reader.get_field(f"{arch}.attention.{kind}_length_mla").contents() for kind in ("key", "value")}
    own[f"{arch}.attention.head_count_kv"] = reader.get_field(f"{arch}.attention.head_count").contents()
    writer = gguf.GGUFWriter(target, arch)
    for key, field in reader.fields.items():
        if not key.startswith("GGUF.") and key != "general.architecture" and not key.endswith("_mla"):
            writer.add_key_value(key, own.get(key, field.contents()), field.types[0])
    tensors = {each.name: each.data for each in reader.tensors}
    for name, values in tensors.items():
        if name.endswith(".attn_v_b.weight"):
            keys = tensors[name.replace("attn_v_b", "attn_k_b")].swapaxes(1, 2)
            both = np.concatenate([keys, values], axis=1)
            writer.add_tensor(name.replace("attn_v_b", "attn_kv_b"), both.reshape(-1, both.shape[-1]))
        elif not name.endswith(".attn_k_b.weight"):
            writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main(references, names):
    for name in names or [*CASES, *MADE]:
        kind, added = CASES.get(name, ("f32" if name.startswith("falcon") else "f16", {}))
        folder = references / f"gguf-{name}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        with tempfile.TemporaryDirectory() as temporary:
            source = Path(temporary) / "model"  # the name that the file gets
            source.mkdir()
            golden = made(name, source) if name in MADE else recorded(references, name, added, source)
            for file in ("golden.json", "golden-logits.safetensors"):
                shutil.copy(golden / file, folder)
            (source / "golden-logits.safetensors").unlink(missing_ok=True)
            vocabulary(source)
            convert(source, folder / "model.gguf", kind)
            if name in FUSED:
                other = references / f"gguf-{name}-fused"
                shutil.copytree(folder, other, dirs_exist_ok=True)
                convert(source, other / "model.gguf", kind, fuse_gate_up_exps=True)
        if name == "deepseek-v2":
            other = references / "gguf-deepseek-v2-unsplit"
            shutil.copytree(folder, other, dirs_exist_ok=True)
            unsplit(folder / "model.gguf", other / "model.gguf")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[2]), sys.argv[3:])
