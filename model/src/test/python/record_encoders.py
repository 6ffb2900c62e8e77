# SPDX-License-Identifier: Apache-2.0
"""Records tiny encoders with the hidden states that transformers gives for them.

    pip install -r requirements.txt && python record_encoders.py ../resources/encoders [CASE...]

Without cases it records all of them anew. Each case is a folder: the model as its users have it, golden.json with prompts,
golden-logits.safetensors with the last layer's hidden states of every token. Cross-encoders are recorded with the score of
each prompt instead, in ../cross-encoders. Weights come from a seed. The reference is computed in f32 on the CPU, from the
written files.
"""

import json
import shutil
import sys
from pathlib import Path

import gguf
import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file

VOCABULARY = 96
# Within a block of keys and values, at its border, and over several windows.
LENGTHS = (1, 5, 16, 40)

BERT = dict(vocab_size=VOCABULARY, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
            max_position_embeddings=64)
DISTILLED = dict(vocab_size=VOCABULARY, dim=64, hidden_dim=96, n_layers=2, n_heads=4, max_position_embeddings=64)
MODERN = dict(BERT, hidden_size=32, intermediate_size=64, num_hidden_layers=4, local_attention=12, pad_token_id=0, bos_token_id=1, eos_token_id=2,
              cls_token_id=1, sep_token_id=2)
GEMMA = dict(BERT, hidden_size=32, head_dim=16, num_key_value_heads=1, num_hidden_layers=3, sliding_window=12,
             query_pre_attn_scalar=16, use_bidirectional_attention=True, pad_token_id=0, bos_token_id=1, eos_token_id=2,
             layer_types=["sliding_attention", "full_attention", "sliding_attention"])


def build(name, config):
    model_class = getattr(transformers, name)
    return model_class._from_config(model_class.config_class(**config), attn_implementation="eager").float().eval()


def randomize(model, seed):
    """Sets random weights that f16 represents exactly."""
    random = np.random.default_rng(seed)
    zero_is_one = type(model).__name__.startswith("Gemma")
    with torch.no_grad():
        for name, weight in sorted(model.named_parameters()):
            values = random.standard_normal(tuple(weight.shape)).astype(np.float32)
            if weight.ndim == 1 and name.endswith("weight"):
                values = 0.1 * values + (0 if zero_is_one else 1)
            else:
                values *= 0.3 if weight.ndim == 1 or "embed" in name else 0.12
            weight.copy_(torch.from_numpy(values).half().float())
    return model


def prompts():
    random = np.random.default_rng(7)
    return [random.integers(3, VOCABULARY, length).tolist() for length in LENGTHS]


@torch.no_grad()
def states(model):
    """Returns the hidden states of each prompt; those of a whole model are its base model's."""
    base = model.base_model
    return {f"logits.{i}": base(torch.tensor([prompt])).last_hidden_state[0].float().contiguous()
            for i, prompt in enumerate(prompts())}


def case(root, name, kind, config, change=lambda config: None):
    """@param change of the written configuration, after which transformers must read the same model"""
    if CASES and name not in CASES:
        return
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    model = randomize(build(kind, config), 1)
    model.half().save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    path = folder / "config.json"
    expected = reload(model, folder)
    written = json.loads(path.read_text())
    change(written)
    path.write_text(json.dumps(written, indent=1) + "\n")
    recorded = reload(model, folder)
    for key, rows in expected.items():
        assert torch.equal(rows, recorded[key]), name
    (folder / "golden.json").write_text(
        json.dumps([{"prompt_ids": prompt, "greedy_ids": []} for prompt in prompts()]) + "\n")
    save_file(recorded, folder / "golden-logits.safetensors")
    print(name, sorted(load_file(folder / "model.safetensors"))[:4], written["architectures"])


def cross_encoder(root, name, kind, config):
    """A prompt is two texts, and `second` where the second one begins."""
    if CASES and name not in CASES:
        return
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    model = randomize(build(kind, dict(config, num_labels=1)), 2)
    model.half().save_pretrained(folder)
    path = folder / "config.json"
    written = json.loads(path.read_text())
    written["sbert_ce_default_activation_function"] = "torch.nn.modules.linear.Identity"
    path.write_text(json.dumps(written, indent=1) + "\n")
    read = type(model).from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    golden = []
    for prompt in prompts():
        second = len(prompt) // 2
        inputs = dict(input_ids=torch.tensor([prompt]))
        if getattr(read.config, "type_vocab_size", 0) > 1:
            inputs["token_type_ids"] = torch.tensor([[0] * second + [1] * (len(prompt) - second)])
        with torch.no_grad():
            golden.append({"ids": prompt, "second": second, "score": read(**inputs).logits.item()})
    (folder / "golden.json").write_text(json.dumps(golden) + "\n")
    print(name, [each["score"] for each in golden])


def gguf_cross_encoder(root, source, architecture, base):
    """A GGUF file names no function of the score, so it is the sigmoid of what was recorded for the folder."""
    name = f"gguf-{source}-ranking"
    gguf_case(root, source, architecture, None, name, {f"{base}.": "", "classifier.weight": "classifier.out_proj.weight",
                                                       "classifier.bias": "classifier.out_proj.bias"})
    path = root / name / "golden.json"
    if not CASES or name in CASES:
        golden = json.loads(path.read_text())
        for each in golden:
            each["score"] = torch.sigmoid(torch.tensor(each["score"], dtype=torch.float64)).item()
        path.write_text(json.dumps(golden) + "\n")


def gguf_token_ranking(root):
    """A Qwen3 that ranks by two tokens, as the conversion of llama.cpp writes it: their rows alone are left of the head, in Q8_0."""
    name = "gguf-qwen3-ranking"
    if CASES and name not in CASES:
        return
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config = dict(BERT, hidden_size=32, num_hidden_layers=2, num_key_value_heads=2, head_dim=8, tie_word_embeddings=False,
                  rms_norm_eps=1e-6)
    model = randomize(build("Qwen3ForCausalLM", config), 3)
    config = model.config
    writer = gguf.GGUFWriter(path=None, arch="qwen3")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_key_length(config.head_dim)
    writer.add_value_length(config.head_dim)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_pooling_type(gguf.PoolingType.RANK)
    writer.add_classifier_output_labels(["yes", "no"])
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.QWEN3, config.num_hidden_layers)
    yes_and_no = gguf.quants.quantize(model.lm_head.weight[[9, 5]].detach().numpy(), gguf.GGMLQuantizationType.Q8_0)
    writer.add_tensor("cls.output.weight", yes_and_no, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
    for own, weight in sorted(model.state_dict().items()):
        if own != "lm_head.weight":
            kind = gguf.GGMLQuantizationType.F32 if weight.ndim == 1 else gguf.GGMLQuantizationType.F16
            writer.add_tensor(names.get_name(own, try_suffixes=(".weight", ".bias")), gguf.quants.quantize(weight.numpy(), kind),
                              raw_dtype=kind)
    writer.write_header_to_file(folder / "model.gguf")
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    yes, no = torch.from_numpy(gguf.quants.dequantize(yes_and_no, gguf.GGMLQuantizationType.Q8_0))
    golden = []
    for prompt in prompts():
        with torch.no_grad():
            last = model.model(torch.tensor([prompt])).last_hidden_state[0, -1]
        score = torch.stack([yes @ last, no @ last]).softmax(0)[0].item()
        golden.append({"ids": prompt, "second": len(prompt) // 2, "score": score})
    (folder / "golden.json").write_text(json.dumps(golden) + "\n")
    print(name, [each["score"] for each in golden])


def cross_encoders(root):
    cross_encoder(root, "bert", "BertForSequenceClassification", BERT)
    cross_encoder(root, "distilbert", "DistilBertForSequenceClassification", DISTILLED)
    cross_encoder(root, "roberta", "RobertaForSequenceClassification",
                  dict(BERT, type_vocab_size=1, max_position_embeddings=66, pad_token_id=1))
    # Three heads: two ranks have an uneven part of them.
    cross_encoder(root, "xlm-roberta", "XLMRobertaForSequenceClassification",
                  dict(BERT, hidden_size=48, num_attention_heads=3, type_vocab_size=1, max_position_embeddings=66, pad_token_id=1))
    cross_encoder(root, "modernbert", "ModernBertForSequenceClassification", dict(MODERN, classifier_pooling="cls"))
    cross_encoder(root, "modernbert-mean", "ModernBertForSequenceClassification",
                  dict(MODERN, classifier_pooling="mean", classifier_bias=True, norm_bias=True, classifier_activation="tanh"))
    gguf_cross_encoder(root, "xlm-roberta", "bert", "roberta")
    gguf_cross_encoder(root, "distilbert", "bert", "distilbert")
    gguf_cross_encoder(root, "modernbert", "modern-bert", "model")
    gguf_token_ranking(root)


def reload(model, folder):
    read = type(model).from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    return states(read)


def gguf_case(root, source, architecture, pooling, name=None, renamed={}):
    """Writes the model of a case as the conversion of llama.cpp does, with F16 matrices, beside what was recorded for it."""
    name = name or "gguf-" + source
    if CASES and name not in CASES:
        return
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for file in ("golden.json", "golden-logits.safetensors"):
        if (root / source / file).exists():
            shutil.copy(root / source / file, folder / file)
    config = transformers.AutoConfig.from_pretrained(root / source)
    # The configuration class of EmbeddingGemma halves its window.
    stated = json.loads((root / source / "config.json").read_text())
    writer = gguf.GGUFWriter(path=None, arch=architecture)
    padding = config.pad_token_id + 1 if config.model_type in ("roberta", "xlm-roberta") else 0
    writer.add_context_length(config.max_position_embeddings - padding)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(getattr(config, "intermediate_size", None) or config.hidden_dim)
    writer.add_head_count(config.num_attention_heads)
    writer.add_causal_attention(False)
    if pooling is not None:
        writer.add_pooling_type(pooling)
    if architecture == "gemma-embedding":
        writer.add_head_count_kv(config.num_key_value_heads)
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
        writer.add_key_length(config.head_dim)
        writer.add_value_length(config.head_dim)
    else:
        writer.add_layer_norm_eps(getattr(config, "layer_norm_eps", None) or getattr(config, "norm_eps", None) or 1e-12)
    rope = getattr(config, "rope_parameters", None) or {}
    if rope:
        writer.add_rope_freq_base(rope.get("full_attention", rope)["rope_theta"])
    if "sliding_attention" in rope:
        writer.add_rope_freq_base_swa(rope["sliding_attention"]["rope_theta"])
        writer.add_sliding_window(stated.get("local_attention") or stated["sliding_window"])
    if architecture == "modern-bert":
        writer.add_sliding_window_pattern(config.layer_types[1:].index("full_attention") + 1)
        writer.add_rope_scaling_type(gguf.RopeScalingType.NONE)
    if architecture == "gemma-embedding":
        writer.add_array(f"{architecture}.attention.sliding_window_pattern",
                         [kind == "sliding_attention" for kind in config.layer_types])
    arch = next(key for key, value in gguf.MODEL_ARCH_NAMES.items() if value == architecture)
    names = gguf.get_tensor_name_map(arch, config.num_hidden_layers)
    for own, weight in sorted(load_file(root / source / "model.safetensors").items()):
        values = weight.float().numpy()
        if own.startswith("pooler."):
            continue
        if "position_embeddings" in own:
            values = values[padding:]
        if architecture == "gemma-embedding" and own.endswith("norm.weight"):
            values = values + 1
        for before, after in renamed.items():
            own = after + own.removeprefix(before) if own.startswith(before) else own
        stored = names.get_name(own, try_suffixes=(".weight", ".bias"))
        assert stored, own
        plain = values.ndim == 1 or stored in ("token_types.weight", "position_embd.weight")
        kind = gguf.GGMLQuantizationType.F32 if plain else gguf.GGMLQuantizationType.F16
        writer.add_tensor(stored, gguf.quants.quantize(np.ascontiguousarray(values), kind), raw_dtype=kind)
    if "classifier_pooling" in stated:
        pooling_type = dict(cls=gguf.PoolingType.CLS, mean=gguf.PoolingType.MEAN)[stated["classifier_pooling"]]
        writer.add_uint32(f"{architecture}.classifier.pooling_type", pooling_type)
    writer.write_header_to_file(folder / "model.gguf")
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def gguf_files(root):
    gguf_case(root, "bert", "bert", gguf.PoolingType.CLS)
    gguf_case(root, "xlm-roberta", "bert", gguf.PoolingType.CLS)
    gguf_case(root, "distilbert", "bert", gguf.PoolingType.MEAN)
    gguf_case(root, "nomic-bert", "nomic-bert", gguf.PoolingType.MEAN)
    gguf_case(root, "modernbert", "modern-bert", gguf.PoolingType.MEAN)
    gguf_case(root, "embedding-gemma", "gemma-embedding", gguf.PoolingType.MEAN)


def published_modernbert(config):
    """The layout of transformers 4."""
    rope = config.pop("rope_parameters")
    config["global_rope_theta"] = rope["full_attention"]["rope_theta"]
    config["local_rope_theta"] = rope["sliding_attention"]["rope_theta"]
    types = config.pop("layer_types")
    config["global_attn_every_n_layers"] = next(i for i, kind in enumerate(types) if i and kind == "full_attention")


def published_nomic(folder):
    """Writes the configuration beside the other one as its authors publish it, with code of their own."""
    config = json.loads((folder / "config.json").read_text())
    published = dict(
        model_type="nomic_bert", architectures=["NomicBertModel"], activation_function="swiglu", causal=False,
        n_embd=config["hidden_size"], n_head=config["num_attention_heads"], n_inner=config["intermediate_size"],
        n_layer=config["num_hidden_layers"], n_positions=config["max_position_embeddings"],
        layer_norm_epsilon=config["layer_norm_eps"], vocab_size=config["vocab_size"], type_vocab_size=2, prenorm=False,
        qkv_proj_bias=False, mlp_fc1_bias=False, mlp_fc2_bias=False, parallel_block=False, rotary_emb_base=1000,
        rotary_emb_fraction=1.0, rotary_emb_interleaved=False, rotary_emb_scale_base=None, rotary_scaling_factor=None,
        use_rms_norm=False, torch_dtype="float32")
    (folder / "config-published.json").write_text(json.dumps(published, indent=1) + "\n")


def cases(root):
    case(root, "bert", "BertModel", BERT)
    # Three heads: two ranks have an uneven part of them.
    case(root, "bert-masked-lm", "BertForMaskedLM", dict(BERT, hidden_size=48, num_attention_heads=3))
    case(root, "xlm-roberta", "XLMRobertaModel", dict(BERT, type_vocab_size=1, max_position_embeddings=66,
                                                      pad_token_id=1))
    case(root, "roberta-masked-lm", "RobertaForMaskedLM", dict(BERT, type_vocab_size=1, max_position_embeddings=66,
                                                               pad_token_id=1))
    case(root, "distilbert", "DistilBertModel", DISTILLED)
    case(root, "distilbert-masked-lm", "DistilBertForMaskedLM", dict(DISTILLED, dim=48, n_heads=3))
    case(root, "embedding-gemma", "Gemma3TextModel", GEMMA)
    case(root, "modernbert", "ModernBertModel", MODERN)
    case(root, "modernbert-masked-lm", "ModernBertForMaskedLM", dict(MODERN, norm_bias=True, attention_bias=True,
                                                                     mlp_bias=True), published_modernbert)
    case(root, "eurobert", "EuroBertModel", dict(BERT, num_key_value_heads=2, pad_token_id=0, bos_token_id=1,
                                                 eos_token_id=2, rms_norm_eps=1e-5))
    case(root, "eurobert-masked-lm", "EuroBertForMaskedLM", dict(BERT, hidden_size=48, num_attention_heads=3,
                                                                 pad_token_id=0, bos_token_id=1, eos_token_id=2))
    case(root, "nomic-bert", "NomicBertModel", dict(BERT, hidden_act="silu"))
    if not CASES or "nomic-bert" in CASES:
        published_nomic(root / "nomic-bert")


if __name__ == "__main__":
    torch.set_num_threads(1)
    target = Path(sys.argv[1])
    CASES = sys.argv[2:]
    if not CASES:
        shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True, exist_ok=True)
    cases(target)
    gguf_files(target)
    cross_encoders(target.parent / "cross-encoders")
