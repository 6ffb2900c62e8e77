// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it.fuzz;

import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.grammar.CompiledGrammar;
import dev.lockstep.grammar.GrammarLimits;
import dev.lockstep.grammar.regex.RegexSyntax;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/// Small valid files, the first inputs of a fuzzer.
final class Seeds {
    private static final int NUMBER = 4;
    private static final int REAL = 6;
    private static final int TEXT = 8;
    private static final int LIST = 9;

    private static final String TOKENIZER =
            """
            {"added_tokens":[{"id":0,"content":"<s>","special":true,"lstrip":true},{"id":9,"content":"it","single_word":true}],
             "normalizer":{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Replace","pattern":{"Regex":"\\\\s{2}"},"content":" "},
              {"type":"Strip","strip_left":true},{"type":"Prepend","prepend":"_"}]},
             "pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"[a-c\\\\p{L}]+"},"behavior":"Isolated"},
              {"type":"Metaspace","replacement":"_","prepend_scheme":"first"},{"type":"ByteLevel","add_prefix_space":true}]},
             "post_processor":{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}},{"Sequence":{"id":"A"}}],
              "special_tokens":{"<s>":{"ids":[0]}}},
             "decoder":{"type":"Sequence","decoders":[{"type":"ByteFallback"},{"type":"Fuse"},{"type":"Strip","content":" ","start":1,"stop":0}]},
             "model":
            """;

    private static final List<String> TEMPLATES =
            List.of(
                    "{% for m in messages %}{{ '<|' + m.role + '|>' }}{{ m['content'] | trim }}{% if not loop.last %}\n{% endif %}{% endfor %}",
                    "{%- set ns = namespace(i=0) -%}{% for x in range(3)[::-1] %}{% set ns.i = ns.i + x %}{% endfor %}{{ ns.i }}{{ strftime_now('%d %b') }}",
                    "{% macro m(a, b=2, *c) %}{{ caller(a ~ b) }}{% endmacro %}{% call(x) m(1, c=2) %}{{ x }}{% endcall %}{{ tools | tojson(indent=2) }}",
                    "{% if tools is defined and tools | length > 0 %}{{ raise_exception('no') }}{% elif bos_token %}{% generation %}{{ bos_token | upper }}{% endgeneration %}{% endif %}",
                    "{{ '%s|%5.2f' | format('a', 1.5) }}{{ '{:>9}'.format('b') }}{{ messages | selectattr('role', 'equalto', 'user') | map(attribute='content') | join(', ') }}");

    /// Each begins with a letter that says what it is.
    private static final List<String> CONSTRAINTS =
            List.of(
                    "s{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/b\"},\"maxItems\":3},\"c\":{\"enum\":[1,\"x\",null]}},\"required\":[\"a\"],\"additionalProperties\":false,\"$defs\":{\"b\":{\"anyOf\":[{\"type\":\"number\",\"minimum\":-1.5,\"multipleOf\":0.5},{\"type\":\"string\",\"pattern\":\"^a+b?$\",\"maxLength\":9}]}}}",
                    "f{\"allOf\":[{\"patternProperties\":{\"^a\":{\"type\":\"null\"}}},{\"not\":{\"required\":[\"b\"]}}],\"if\":{\"const\":{}},\"then\":{\"type\":[\"object\",\"string\"],\"format\":\"date-time\"},\"else\":{\"minProperties\":1}}",
                    "p(?i)a{2,9}|[^\\W\\d_]+?(?=b)b|(?P<n>\\p{Lu}*)$",
                    "j^(?:a|b)*\\u{1F600}?[\\w-]{1,3}(?!c)",
                    "groot ::= item (\",\" item)*\nitem ::= [a-z]{1,3} | \"(\" root \")\" # nested\n",
                    "gstart: item (\",\" item)*\nitem: /[a-z]+/ | WORD~2..3\nWORD: (\"x\"|\"y\"i)+\n%ignore \" \"\n%import common.INT\n");

    private Seeds() {}

    static void constraints(Path folder) throws IOException {
        for (int i = 0; i < CONSTRAINTS.size(); i++) {
            Files.writeString(folder.resolve("seed" + i), CONSTRAINTS.get(i));
        }
        byte[] encoded =
                CompiledGrammar.compile(
                                RegexSyntax.grammar("(ab|[0-9]{2,5})+x?"), GrammarLimits.DEFAULT)
                        .encode();
        byte[] seed = new byte[encoded.length + 1];
        seed[0] = 'e';
        System.arraycopy(encoded, 0, seed, 1, encoded.length);
        Files.write(folder.resolve("encoded"), seed);
    }

    static void safetensors(Path folder) throws IOException {
        TinyCheckpoint.write(
                folder.resolve("model"),
                1,
                "{}",
                Map.of("norm.weight", List.of(4L), "a.weight", List.of(2L, 3L)));
        Files.move(folder.resolve("model/model.safetensors"), folder.resolve("seed"));
        Files.delete(folder.resolve("model/config.json"));
        Files.delete(folder.resolve("model"));
    }

    static void tokenizerJson(Path folder) throws IOException {
        List<String> models =
                List.of(
                        "{\"type\":\"BPE\",\"unk_token\":\"<s>\",\"byte_fallback\":true,\"vocab\":{\"a\":1,\"b\":2,\"ab\":3},\"merges\":[\"a b\",[\"a\",\"b\"]]}",
                        "{\"type\":\"Unigram\",\"unk_id\":0,\"vocab\":[[\"<s>\",0],[\"a\",-1.5],[\"ab\",-2e3]]}",
                        "{\"type\":\"WordPiece\",\"unk_token\":\"<s>\",\"max_input_chars_per_word\":9,\"vocab\":{\"a\":1,\"##b\":2}}");
        for (int i = 0; i < models.size(); i++) {
            Files.writeString(folder.resolve("seed" + i), TOKENIZER + models.get(i) + "}");
        }
    }

    static void templates(Path folder) throws IOException {
        for (int i = 0; i < TEMPLATES.size(); i++) {
            Files.writeString(folder.resolve("seed" + i), TEMPLATES.get(i));
        }
    }

    /// Writes a llama of one layer with some of its tensors, once for each of three vocabulary
    /// types.
    static void gguf(Path folder) throws IOException {
        for (String model : List.of("gpt2", "llama", "t5")) {
            ByteBuffer file = ByteBuffer.allocate(1 << 14).order(ByteOrder.LITTLE_ENDIAN);
            file.put("GGUF".getBytes(StandardCharsets.US_ASCII)).putInt(3).putLong(2).putLong(14);
            text(key(file, "general.architecture", TEXT), "llama");
            for (String size :
                    List.of(
                            "block_count",
                            "embedding_length",
                            "context_length",
                            "feed_forward_length",
                            "attention.head_count")) {
                key(file, "llama." + size, NUMBER).putInt(size.equals("block_count") ? 1 : 8);
            }
            key(file, "llama.attention.layer_norm_rms_epsilon", REAL).putFloat(1e-5f);
            key(file, "llama.rope.freq_base", REAL).putFloat(10_000);
            text(key(file, "tokenizer.ggml.model", TEXT), model);
            text(key(file, "tokenizer.ggml.pre", TEXT), "llama-bpe");
            texts(key(file, "tokenizer.ggml.tokens", LIST), "<s>", "a", "b", "ab", "<0x41>");
            key(file, "tokenizer.ggml.scores", LIST).putInt(REAL).putLong(5);
            for (float score : new float[] {0, -1, -2, -1.5f, 0}) {
                file.putFloat(score);
            }
            key(file, "tokenizer.ggml.token_type", LIST).putInt(NUMBER).putLong(5);
            for (int type : new int[] {3, 1, 1, 1, 6}) {
                file.putInt(type);
            }
            texts(key(file, "tokenizer.ggml.merges", LIST), "a b");
            text(file, "token_embd.weight").putInt(2).putLong(8).putLong(5).putInt(0).putLong(0);
            text(file, "blk.0.attn_q.weight").putInt(2).putLong(8).putLong(8).putInt(1);
            file.putLong(160);
            int data = Math.ceilDiv(file.position(), 32) * 32;
            byte[] bytes = new byte[data + 160 + 128];
            file.get(0, bytes, 0, file.position());
            Files.write(folder.resolve("seed-" + model), bytes);
        }
    }

    private static ByteBuffer key(ByteBuffer file, String name, int type) {
        return text(file, name).putInt(type);
    }

    private static ByteBuffer text(ByteBuffer file, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        return file.putLong(bytes.length).put(bytes);
    }

    private static void texts(ByteBuffer file, String... texts) {
        file.putInt(TEXT).putLong(texts.length);
        for (String text : texts) {
            text(file, text);
        }
    }
}
