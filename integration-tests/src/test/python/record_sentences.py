# SPDX-License-Identifier: Apache-2.0
"""Records tiny embedding models and rerankers with the vectors and scores that sentence-transformers gives for them.

    pip install sentence-transformers==6.2.0 -r ../../../../model/src/test/python/requirements.txt
    python record_sentences.py ../resources/sentences

Each case is a folder as sentence-transformers saves it, and golden.json. Weights come from a seed; the reference is
computed in f32 on the CPU from the written files.

gguf-modernbert-cross-encoder has the scores of modernbert-cross-encoder, of which llama.cpp's convert_hf_to_gguf.py wrote
model.gguf (--outtype f16; its pre-tokenizer, which the conversion does not know, was taken for gpt-2).
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers.cross_encoder.modules import LogitScore
from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<s>", "</s>"]
SIZES = dict(hidden_size=32, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
             head_dim=8, max_position_embeddings=256, bos_token_id=None, eos_token_id=0, pad_token_id=0)
TEXTS = ["Paris is the capital of France.", "a", "Größe: 3 × 4 m, and a text that is a little longer than the others"]
QUERY = "What is the capital of France?"
# Roles and an instruction as rerankers that are language models have them.
RERANK_TEMPLATE = (
    "<|im_start|>system\nAnswer yes or no.<|im_end|>\n<|im_start|>user\n<Instruct>: "
    "{{ messages | selectattr('role', 'eq', 'system') | map(attribute='content') | first | default('Find it.', true) }}\n"
    "<Query>: {{ messages | selectattr('role', 'eq', 'query') | map(attribute='content') | first }}\n"
    "<Document>: {{ messages | selectattr('role', 'eq', 'document') | map(attribute='content') | first }}<|im_end|>\n"
    "<|im_start|>assistant\n<think>\n\n</think>\n\n\n")


def tokenizer(template, chat_template=None, pair=None):
    """Returns a tokenizer of bytes, which puts special tokens around a text as `template` says, and around two as `pair`."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate(SPECIAL + alphabet)}
    own = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    own.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    own.decoder = decoders.ByteLevel()
    own.add_special_tokens(SPECIAL)
    if template:
        own.post_processor = processors.Sequence([
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(single=template, pair=pair or template + " $B",
                                          special_tokens=[(each, vocabulary[each]) for each in SPECIAL])])
    end = template.split()[-1] if template else SPECIAL[0]
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=own, pad_token=SPECIAL[0], eos_token=end,
                                                model_input_names=["input_ids", "attention_mask"]
                                                + ["token_type_ids"] * (":1" in (pair or "")))
    fast.chat_template = chat_template
    return fast, len(vocabulary)


def write_transformer(folder, model_class, seed, template, chat_template=None, pair=None, **config):
    fast, vocabulary = tokenizer(template, chat_template, pair)
    sizes = dict(SIZES, vocab_size=vocabulary)
    model = model_class._from_config(model_class.config_class(**{**sizes, **config})).float().eval()
    random = np.random.default_rng(seed)
    with torch.no_grad():
        for _, weight in sorted(model.named_parameters()):
            values = random.standard_normal(tuple(weight.shape)).astype(np.float32)
            values = values / np.sqrt(weight.shape[-1]) if weight.dim() > 1 else 1 + 0.1 * values
            weight.copy_(torch.from_numpy(values).half().float())
    model.half().save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


def saved(root, name, build):
    """Builds a model around the transformer in a scratch folder, and returns where it is saved."""
    folder = root / name
    scratch = root / (name + "-scratch")
    shutil.rmtree(folder, ignore_errors=True)
    build(scratch).save_pretrained(str(folder), create_model_card=False)
    shutil.rmtree(scratch)
    for unused in ("README.md",):
        (folder / unused).unlink(missing_ok=True)
    return folder


def embeddings(root, name, build):
    folder = saved(root, name, build)
    model = SentenceTransformer(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})
    cases = []
    for prompt in [None, *model.prompts]:
        for text in TEXTS:
            vector = model.encode(text, prompt_name=prompt, convert_to_numpy=True)
            cases.append(dict(input=text, prompt_name=prompt, embedding=[float(x) for x in vector]))
    (folder / "golden.json").write_text(json.dumps(dict(embeddings=cases), ensure_ascii=False, indent=1))


def scores(root, name, build):
    write_scores(saved(root, name, build))


def cross_encoder(root, name, model_class, pair, **config):
    """Writes a model as it was published before there were sentence-transformers files for it."""
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    # Encoders have as many heads of keys and values as of queries.
    write_transformer(folder, model_class, 7, "<s> $A </s>", pair=pair, num_labels=1, num_key_value_heads=4, **config)
    write_scores(folder)


def write_scores(folder):
    model = CrossEncoder(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})
    values = model.predict([(QUERY, text) for text in TEXTS])
    golden = dict(query=QUERY, documents=TEXTS, scores=[float(x) for x in values])
    (folder / "golden.json").write_text(json.dumps(golden, ensure_ascii=False, indent=1))


def last_token(scratch, model_class, seed, template, **config):
    transformer = Transformer(str(write_transformer(scratch, model_class, seed, template, **config)))
    return [transformer, Pooling(SIZES["hidden_size"], pooling_mode="lasttoken"), Normalize()]


def layered(scratch):
    transformer = Transformer(str(write_transformer(scratch, transformers.LlamaModel, 3, "<s> $A </s>")),
                              max_seq_length=64)
    torch.manual_seed(4)
    return SentenceTransformer(
        modules=[transformer, Pooling(32, pooling_mode="mean", include_prompt=False),
                 Dense(32, 48, bias=False, activation_function=torch.nn.Identity()),
                 Dense(48, 24, bias=True, activation_function=torch.nn.Tanh()), Normalize()],
        prompts={"query": "search query: ", "passage": "title: none | text: "}, default_prompt_name="passage",
        similarity_fn_name="dot", device="cpu")


def reranker(scratch):
    write_transformer(scratch, transformers.Qwen3ForCausalLM, 5, None, RERANK_TEMPLATE, tie_word_embeddings=True)
    transformer = Transformer(str(scratch), transformer_task="text-generation")
    return CrossEncoder(modules=[transformer, LogitScore(true_token_id=94, false_token_id=83)], device="cpu",
                        prompts={"web": "Given a web search query, find its answers."}, default_prompt_name="web")


def main(root):
    root.mkdir(parents=True, exist_ok=True)
    instruct = {"query": "Instruct: Find passages that answer the query\nQuery:", "document": ""}
    embeddings(root, "qwen3-embedding", lambda scratch: SentenceTransformer(
        modules=last_token(scratch, transformers.Qwen3Model, 1, "$A <|endoftext|>", tie_word_embeddings=True),
        prompts=instruct, device="cpu"))
    embeddings(root, "e5-mistral", lambda scratch: SentenceTransformer(
        modules=last_token(scratch, transformers.MistralModel, 2, "<s> $A </s>", tie_word_embeddings=False,
                           sliding_window=None),
        prompts={"query": "Instruct: Find passages\nQuery: "}, device="cpu"))
    embeddings(root, "dense-layers", layered)
    scores(root, "qwen3-reranker", reranker)
    scores(root, "classifier", lambda scratch: CrossEncoder(
        str(write_transformer(scratch, transformers.Qwen3ForSequenceClassification, 6, None, num_labels=1,
                              tie_word_embeddings=True)), device="cpu"))
    cross_encoder(root, "bert-cross-encoder", transformers.BertForSequenceClassification,
                  "<s>:0 $A:0 </s>:0 $B:1 </s>:1", hidden_act="gelu")
    cross_encoder(root, "xlm-roberta-cross-encoder", transformers.XLMRobertaForSequenceClassification,
                  "<s> $A </s> </s> $B </s>", type_vocab_size=1, max_position_embeddings=258, pad_token_id=1)
    cross_encoder(root, "modernbert-cross-encoder", transformers.ModernBertForSequenceClassification,
                  "<s> $A </s> $B </s>", classifier_pooling="mean", cls_token_id=3, sep_token_id=4)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
