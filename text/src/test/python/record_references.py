# SPDX-License-Identifier: Apache-2.0
"""Records tiny tokenizers with their ids, and a template with its text, as transformers produces them.

    pip install -r requirements.txt && python record_references.py ../resources/references

Each tokenizer is a folder: the files of its model, or a GGUF vocabulary, and golden.json with texts
and their ids, with and without the special tokens around them. Training breaks ties randomly: each
run writes different vocabularies with matching ids.
"""

import json
import shutil
import sys
from pathlib import Path

import gguf
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer
from transformers.utils.chat_template_utils import render_jinja_template

WORDS = """The workers of a group take every step together, and each of them holds a part of the weights.
When a request arrives its words become tokens, the tokens become numbers, and the numbers pass through
one layer after another until the next token can be chosen. Café, naïve, Ärger: 123 words, 4567 numbers.
Nothing is lost; nothing is found twice. Is this the end? It is not the end!""".split("\n")

TEXTS = ["", " ", "The workers hold the weights.", "  two  spaces  ", "unknown: 我 and 😀!", "Café NAÏVE ärger",
         "one\ntwo\tthree", "tokens4567numbers", "ﬁne ① Å", "<s>The end</s>", "it's the-end?!", "a" * 120]


def bpe():
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(WORDS, trainers.BpeTrainer(
        vocab_size=340, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return tokenizer


def unigram(space="always"):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(" ", " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=space)
    tokenizer.decoder = decoders.Metaspace(prepend_scheme=space)
    tokenizer.train_from_iterator(WORDS, trainers.UnigramTrainer(
        vocab_size=120, special_tokens=["<unk>", "<s>", "</s>"], unk_token="<unk>", show_progress=False))
    return tokenizer


def word_piece():
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.train_from_iterator(WORDS, trainers.WordPieceTrainer(
        vocab_size=160, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False))
    tokenizer.post_processor = processors.BertProcessing(
        ("[SEP]", tokenizer.token_to_id("[SEP]")), ("[CLS]", tokenizer.token_to_id("[CLS]")))
    return tokenizer


def framed(tokenizer, begin, end):
    """Adds a post-processor template with BOS and EOS."""
    parts = [begin] * bool(begin) + ["$A"] + [end] * bool(end)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=" ".join(parts), special_tokens=[(t, tokenizer.token_to_id(t)) for t in (begin, end) if t])
    return tokenizer


def cases(tokenizer, texts=TEXTS):
    return [{"text": text,
             "ids": tokenizer.encode(text, add_special_tokens=False),
             "framed_ids": tokenizer.encode(text, add_special_tokens=True)} for text in texts]


def folder_case(root, name, tokenizer, **config):
    folder = root / name
    folder.mkdir()
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=1) + "\n")
    read = AutoTokenizer.from_pretrained(folder)
    golden = cases(read)
    (folder / "golden.json").write_text(json.dumps(golden, ensure_ascii=False) + "\n")
    print(name, type(read).__name__, golden[2])


def gguf_case(root, name, model, tokenizer, specials, *, ids, keys, texts):
    """Writes a GGUF vocabulary in the form that the converters use."""
    folder = root / name
    folder.mkdir()
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    scores = dict(json.loads(tokenizer.to_str())["model"]["vocab"]) if model == "t5" else {}
    tokens, types = [], []
    for token, _ in vocabulary:
        types.append(specials.get(token, 1))
        if model == "bert" and token not in specials:
            token = token[2:] if token.startswith("##") else "\u2581" + token
        tokens.append(token)
    writer = gguf.GGUFWriter(folder / "model.gguf", "llama")
    writer.add_tokenizer_model(model)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    if scores:
        writer.add_token_scores([scores.get(token, 0.0) for token, _ in vocabulary])
    for key, token in ids.items():
        writer.add_uint32(f"tokenizer.ggml.{key}_token_id", tokenizer.token_to_id(token))
    for key, value in keys.items():
        writer.add_bool(f"tokenizer.ggml.{key}", value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    golden = [{"text": text,
               "ids": tokenizer.encode(text, add_special_tokens=False).ids,
               "framed_ids": tokenizer.encode(text, add_special_tokens=True).ids} for text in texts]
    (folder / "golden.json").write_text(json.dumps(golden, ensure_ascii=False) + "\n")
    print(name, golden[2])


PAIRS = [("The workers", "hold the weights."), ("a", ""), ("", "next token?"), ("Is it", "the end? [SEP] no")]


def pair_cases(root):
    """Records pairs of texts with every kind of post-processor, on the tokenizer of the case wordpiece."""
    tokenizer = Tokenizer.from_file(str(root / "wordpiece" / "tokenizer.json"))
    cls, sep = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]

    def template(pair):
        return processors.TemplateProcessing(single="[CLS] $A [SEP]", pair=pair, special_tokens=[cls, sep])

    golden = []
    for name, processor in [
            ("bert", processors.BertProcessing(sep, cls)),
            ("roberta", processors.RobertaProcessing(sep, cls)),
            ("bert template", template("[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1")),
            ("xlm-roberta template", template("[CLS] $A [SEP] [SEP] $B [SEP]")),
            ("types from the separator on", template("$A:0 [SEP]:0 [CLS]:1 [SEP]:1 $B:1")),
            ("sequence", processors.Sequence([processors.ByteLevel(trim_offsets=False), template("[CLS] $A $B:1")])),
            ("byte level", processors.ByteLevel(trim_offsets=False)),
            ("the second text first", template("$B:0 [SEP]:0 $A:0")),
            ("types before the second text", template("[CLS]:1 $A:0 [SEP]:0 $B:1")),
            ("types of the end alone", template("$A:0 $B:0 [SEP]:1")),
    ]:
        tokenizer.post_processor = processor
        encoded = [tokenizer.encode(first, second) for first, second in PAIRS]
        golden.append({"name": name, "post_processor": json.loads(tokenizer.to_str())["post_processor"],
                       "pairs": [{"first": first, "second": second, "ids": each.ids, "type_ids": each.type_ids}
                                 for (first, second), each in zip(PAIRS, encoded)]})
    (root / "wordpiece" / "pairs.json").write_text(json.dumps(golden) + "\n")


TEMPLATE = """\
{{- bos_token -}}
{%- if documents %}
{%- for document in documents %}
<document {{ loop.index }} of {{ documents | length }}: {{ document['title'] | default('untitled') }}>
{% for key, value in document.items() if key != 'title' -%}
{{ key }}={{ value | tojson if value is not string else value | trim }}
{% endfor -%}
</document>
{%- endfor %}
{%- elif documents is defined %}
[no documents]
{%- endif %}
{% for message in messages %}
<{{ message.role }}>{{ message.content }}
{% endfor %}
{%- if add_generation_prompt %}<assistant>{% endif %}
"""


def template_case(root):
    messages = [{"role": "system", "content": "Answer from {{ documents }}."}, {"role": "user", "content": "Who?"}]
    given = {
        "several": [{"title": "One", "text": " first\ntext "}, {"text": "second", "rank": 2, "tags": ["a", None, 1.5]}],
        "none": [],
        "one": [{"title": "{% raw %}", "text": "<tag> & \"quotes\" — ü"}],
        "null": None,
    }
    golden = {}
    for name, documents in given.items():
        [text], _ = render_jinja_template([messages], documents=documents, chat_template=TEMPLATE,
                                          add_generation_prompt=True, bos_token="<s>", eos_token="</s>")
        golden[name] = {"documents": documents, "text": text}
    folder = root / "documents"
    folder.mkdir()
    (folder / "template.jinja").write_text(TEMPLATE)
    (folder / "golden.json").write_text(json.dumps(
        {"messages": messages, "cases": golden}, indent=1, ensure_ascii=False) + "\n")


def record(root):
    names = dict(bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    folder_case(root, "bpe-template-bos", framed(bpe(), "<s>", ""), tokenizer_class="PreTrainedTokenizerFast", **names)
    folder_case(root, "bpe-template-bos-eos", framed(bpe(), "<s>", "</s>"), tokenizer_class="PreTrainedTokenizerFast", **names)
    folder_case(root, "unigram", framed(unigram(), "", "</s>"), tokenizer_class="PreTrainedTokenizerFast", **names)
    folder_case(root, "unigram-first", unigram("first"), tokenizer_class="PreTrainedTokenizerFast", **names)
    folder_case(root, "wordpiece", word_piece(), tokenizer_class="PreTrainedTokenizerFast",
                cls_token="[CLS]", sep_token="[SEP]", unk_token="[UNK]")
    pair_cases(root)
    plain = [text for text in TEXTS if "<s>" not in text]
    gguf_case(root, "gguf-wordpiece", "bert", word_piece(), {"[PAD]": 3, "[UNK]": 2, "[CLS]": 3, "[SEP]": 3, "[MASK]": 3},
              ids={"bos": "[CLS]", "seperator": "[SEP]", "unknown": "[UNK]"}, keys={}, texts=plain)
    # The vocabulary has no character map, so texts that NFKC changes are omitted. Texts that begin with
    # a space are omitted too: SentencePiece adds a space to them, Metaspace does not.
    gguf_case(root, "gguf-unigram", "t5", framed(unigram(), "", "</s>"), {"<unk>": 2, "<s>": 3, "</s>": 3},
              ids={"eos": "</s>", "unknown": "<unk>"}, keys={"add_space_prefix": True, "remove_extra_whitespaces": False},
              texts=[text for text in plain if not any(c in text for c in "ﬁ①Å") and text[:1] != " "])
    template_case(root)


if __name__ == "__main__":
    target = Path(sys.argv[1])
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    record(target)
