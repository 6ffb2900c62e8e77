# SPDX-License-Identifier: Apache-2.0
"""Records what an absent key of config.json means, from the configuration classes of transformers.

    pip install transformers==5.23.0 && python record_config_defaults.py ../../main/resources/dev/lockstep/checkpoint/config-defaults.json

For each model type: `sizes`, which published configurations omit only inside `text_config`; `values`; and `rope`, which
`rope_parameters` replaces.
"""

import dataclasses
import json
import sys

from transformers.models.auto.configuration_auto import CONFIG_MAPPING

TYPES = """apertus arcee cohere cohere2 deepseek_v2 deepseek_v3 dots1 ernie4_5 ernie4_5_moe exaone4 exaone_moe falcon falcon_h1 gemma gemma2 gemma3
    gemma3_text gemma3n_text gemma4_text glm glm4 glm4_moe glm4_moe_lite glm4v_moe_text glm4v_text gpt_bigcode gpt_neox gpt_oss granite granitemoe granitemoehybrid granitemoeshared
    helium hunyuan_v1_dense hunyuan_v1_moe internlm3 kimi_k2 lfm2 lfm2_moe llama llama4_text minimax_m2 ministral ministral3 mistral mistral4 mixtral nemotron nemotron_h olmo olmo2 olmo3 olmoe phi phi3
    qwen2 qwen2_5_vl_text qwen2_moe qwen2_vl_text qwen3 qwen3_5_moe_text qwen3_5_text qwen3_moe qwen3_next qwen3_vl_moe_text qwen3_vl_text
    seed_oss smollm3 solar_open stablelm starcoder2 vaultgemma youtu""".split()

SIZES = """hidden_size intermediate_size max_position_embeddings num_attention_heads num_hidden_layers num_key_value_heads
    vocab_size n_embd n_head n_layer n_positions layer_norm_eps norm_epsilon norm_eps rms_norm_eps""".split()

# Model types whose configuration classes have other names.
SOURCES = {"gemma3": "gemma3_text", "kimi_k2": "deepseek_v3"}

# What a class does without a key for it.
IMPLIED = {"olmo": {"layer_norm_eps": 1e-05}, "dots1": {"use_sliding_window": True}, "gpt_oss": {"sliding_window_pattern": 2},
           "qwen3_5_moe_text": {"full_attention_interval": 4}, "qwen3_5_text": {"full_attention_interval": 4}, "qwen3_next": {"full_attention_interval": 4}}

# Keys of training, of generation and of what the tensors show.
WITHOUT_EFFECT = """initializer_range layer_types output_router_logits pretraining_tp router_aux_loss_coef
    router_jitter_noise tie_word_embeddings use_cache""".split()


def defaults(model_type):
    config = CONFIG_MAPPING[SOURCES.get(model_type, model_type)]
    inherited = {field.name for field in dataclasses.fields(config.__mro__[1])}
    sizes, values = {}, {}
    for field in dataclasses.fields(config):
        name, value = field.name, field.default
        if name in inherited or name in WITHOUT_EFFECT or name.endswith(("dropout", "pdrop", "token_id")):
            continue
        if not isinstance(value, (int, float, str)):
            continue
        (sizes if name in SIZES else values)[name] = value
    values.update(IMPLIED.get(model_type, {}))
    return {"sizes": sizes, "values": values, "rope": rope(getattr(config(), "rope_parameters", None), values)}


def rope(parameters, values):
    """Returns the older keys of a rope; a partial rotation is a value, since it holds beside any rope."""
    if parameters is None:
        return {}
    if "full_attention" in parameters and parameters["full_attention"]["rope_type"] == "proportional":
        return {"rope_parameters": parameters}
    if "full_attention" in parameters:
        full, window = parameters["full_attention"]["rope_theta"], parameters["sliding_attention"]["rope_theta"]
        return {"rope_theta": full} if full == window else {"rope_theta": full, "rope_local_base_freq": window}
    if parameters["rope_type"] != "default":
        return {"rope_theta": parameters["rope_theta"], "rope_parameters": parameters}
    if parameters.get("partial_rotary_factor", 1.0) != 1.0:
        values["partial_rotary_factor"] = parameters["partial_rotary_factor"]
    return {"rope_theta": parameters["rope_theta"]}


if __name__ == "__main__":
    recorded = {model_type: defaults(model_type) for model_type in TYPES}
    lines = ",\n".join(f' "{name}": {json.dumps(recorded[name], sort_keys=True)}' for name in sorted(recorded))
    with open(sys.argv[1], "w") as file:
        file.write("{\n" + lines + "\n}\n")
