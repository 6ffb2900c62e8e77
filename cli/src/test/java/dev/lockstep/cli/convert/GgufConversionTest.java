// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.checkpoint.PairForm;
import dev.lockstep.checkpoint.SentenceModel;
import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.checkpoint.TokenizerSource;
import dev.lockstep.checkpoint.WeightMatrix;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.model.StoredRows;
import dev.lockstep.text.EncodeOptions;
import dev.lockstep.text.Tokenizer;
import dev.lockstep.text.Tokenizers;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// A folder that was written as a GGUF file computes the same logits and has the same tokenizer.
@Tag("sweep")
class GgufConversionTest {
    private static final Path RECORDED =
            Path.of("..", "model", "src", "test", "resources", "references");

    private static final String TEXT =
            "<|im_start|>user\nWhat's 12345 + 678,  then?\r\n\tna\u00EFve caf\u00E9 \u6F22\u5B57 \uD83D\uDE42<|im_end|>\n";

    private static final String MODULES =
            """
            [{"path": "", "type": "sentence_transformers.models.Transformer"},
             {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
             {"path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}]
            """;

    @TempDir Path folder;

    @ParameterizedTest
    @ValueSource(
            strings = {
                "llama",
                "llama-yarn",
                "qwen2",
                "qwen3",
                "gemma2",
                "gemma3",
                "phi3",
                "granite",
                "gpt2",
                "mixtral",
                "olmo2",
                "qwen3-moe",
                "starcoder2"
            })
    void aFixtureHasTheSameBitsAndTheSameTokens(String name) {
        Path source = Fixtures.require("models/" + name);
        Path target = convert(source, "none");
        assertArrayEquals(logits(source), logits(target));
        TokenizerSource before = TokenizerSource.open(source);
        TokenizerSource after = TokenizerSource.open(target);
        Tokenizer expected = Tokenizers.of(before);
        Tokenizer actual = Tokenizers.of(after);
        int[] ids = expected.encode(TEXT, new EncodeOptions(true, true));
        assertArrayEquals(ids, actual.encode(TEXT, new EncodeOptions(true, true)));
        assertEquals(expected.decode(ids, false), actual.decode(ids, false));
        assertEquals(
                before.chatTemplate().map(TokenizerSource.Template::text),
                after.chatTemplate().map(TokenizerSource.Template::text));
        assertEquals(
                Checkpoint.open(source).config().specialIds(),
                Checkpoint.open(target).config().specialIds());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "arcee",
                "cohere",
                "cohere2",
                "ernie4-5",
                "exaone4",
                "gemma",
                "gemma3n",
                "gemma4",
                "gemma4-layer-inputs",
                "gemma4-moe",
                "gemma4-vision",
                "glm4",
                "gptbigcode",
                "llama-bf16-sharded",
                "llama-linear",
                "ministral3",
                "nemotron",
                "olmoe",
                "phi3-partial",
                "qwen2-5-vl",
                "seed-oss"
            })
    void aRecordedModelHasTheSameBits(String name) {
        Path source = RECORDED.resolve(name);
        assertArrayEquals(logits(source), logits(convert(source, "none")));
    }

    /// Biases of q and k are in the order of the rows of their matrices.
    @Test
    void aModelWithBiasesHasTheSameBits() throws IOException {
        Path source = folder.resolve("biases");
        long heads = 4 * 16;
        long kvHeads = 2 * 16;
        Map<String, List<Long>> shapes = new LinkedHashMap<>();
        shapes.put("model.embed_tokens.weight", List.of(96L, 32L));
        shapes.put("model.layers.0.input_layernorm.weight", List.of(32L));
        shapes.put("model.layers.0.self_attn.q_proj.weight", List.of(heads, 32L));
        shapes.put("model.layers.0.self_attn.q_proj.bias", List.of(heads));
        shapes.put("model.layers.0.self_attn.k_proj.weight", List.of(kvHeads, 32L));
        shapes.put("model.layers.0.self_attn.k_proj.bias", List.of(kvHeads));
        shapes.put("model.layers.0.self_attn.v_proj.weight", List.of(kvHeads, 32L));
        shapes.put("model.layers.0.self_attn.v_proj.bias", List.of(kvHeads));
        shapes.put("model.layers.0.self_attn.o_proj.weight", List.of(32L, heads));
        shapes.put("model.layers.0.self_attn.o_proj.bias", List.of(32L));
        shapes.put("model.layers.0.post_attention_layernorm.weight", List.of(32L));
        shapes.put("model.layers.0.mlp.gate_proj.weight", List.of(64L, 32L));
        shapes.put("model.layers.0.mlp.up_proj.weight", List.of(64L, 32L));
        shapes.put("model.layers.0.mlp.down_proj.weight", List.of(32L, 64L));
        shapes.put("model.norm.weight", List.of(32L));
        shapes.put("lm_head.weight", List.of(96L, 32L));
        String config =
                """
                {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "attention_bias": true,
                 "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4, "head_dim": 16,
                 "num_key_value_heads": 2, "intermediate_size": 64, "vocab_size": 96,
                 "max_position_embeddings": 256, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
                 "tie_word_embeddings": false, "bos_token_id": 1, "eos_token_id": 2}
                """;
        TinyCheckpoint.write(source, 3, config, shapes);
        assertArrayEquals(logits(source), logits(convert(source, "none")));
    }

    /// The table of a file has a row for every id.
    @Test
    void anIdWithoutEmbeddingsOfLayersHasThoseOfTheFirst() throws IOException {
        Path recorded = RECORDED.resolve("gemma4-layer-inputs");
        Checkpoint from = Checkpoint.open(recorded);
        Map<String, List<Long>> shapes = new LinkedHashMap<>();
        for (String name : from.tensorNames()) {
            shapes.put(name, from.tensorInfo(name).orElseThrow().shape());
        }
        String table = "model.embed_tokens_per_layer.weight";
        List<Long> shape = shapes.replace(table, List.of(90L, 180L));
        assertEquals(List.of(96L, 180L), shape);
        Path source = folder.resolve("gemma4-fewer");
        String config =
                Files.readString(recorded.resolve("config.json"))
                        .replace(
                                "\"vocab_size_per_layer_input\": 96",
                                "\"vocab_size_per_layer_input\": 90");
        TinyCheckpoint.write(source, 3, config, shapes);
        Path target = convert(source, "none");
        assertEquals(96, Checkpoint.open(target).tensor(table).rows());
        assertArrayEquals(logits(source), logits(target));
    }

    /// Divisors of frequencies are stored as 32-bit floats.
    @ParameterizedTest
    @ValueSource(strings = {"llama3", "phi3-longrope-short"})
    void aRopeWithDivisorsOfItsOwnHasTheSameLogits(String name) {
        Path source = RECORDED.resolve(name);
        assertArrayEquals(logits(source), logits(convert(source, "none")), 1e-5f);
    }

    /// Weights of 0.08 and 4 layers move logits by less than 0.5 if 8 bits are kept of each.
    @ParameterizedTest
    @CsvSource({"f16, F16, 0.01", "bf16, BF16, 0.1", "q8_0, Q8_0, 0.5", "q4_k, Q5_0, 3"})
    void matricesBecomeTheTypeAndVectorsF32(String word, TensorType type, float bound) {
        Path source = Fixtures.require("models/llama");
        Path target = convert(source, word);
        Checkpoint read = Checkpoint.open(target);
        assertEquals(type, read.tensor("model.layers.1.self_attn.q_proj.weight").type());
        assertEquals(type, read.tensor("model.embed_tokens.weight").type());
        assertEquals(TensorType.F32, read.tensor("model.norm.weight").type());
        float[] expected = logits(source);
        float[] actual = logits(target);
        for (int i = 0; i < expected.length; i++) {
            assertEquals(expected[i], actual[i], bound, "logit " + i);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "mixtral, model.layers.1.mlp.experts.down_proj.weight, model.layers.1.mlp.gate.weight",
        "qwen3-moe, model.layers.1.mlp.experts.up_proj.weight, model.layers.1.mlp.gate.weight",
        "gpt2, transformer.h.1.mlp.c_fc.weight, transformer.wpe.weight"
    })
    void arrangedMatricesAreQuantizedAndRoutersAndPositionsStay(
            String name, String quantized, String exact) {
        Path source = Fixtures.require("models/" + name);
        Path target = convert(source, "q8_0");
        Checkpoint read = Checkpoint.open(target);
        assertEquals(TensorType.Q8_0, read.tensor(quantized).type());
        assertEquals(TensorType.F32, read.tensor(exact).type());
        assertArrayEquals(logits(source), logits(target), 0.5f);
    }

    /// Patterns are those of the folder's names.
    @Test
    void expertsOfWhichOneIsKeptStayAsTheyAre() {
        Path source = Fixtures.require("models/mixtral");
        Path target = convert(source, "q8_0", List.of("*.1.block_sparse_moe.experts.3.w2.weight"));
        Checkpoint read = Checkpoint.open(target);
        String kept = "model.layers.1.mlp.experts.down_proj.weight";
        assertEquals(TensorType.F32, read.tensor(kept).type());
        assertEquals(TensorType.Q8_0, read.tensor(kept.replace(".1.", ".0.")).type());
    }

    /// Their codes are decoded, and rounded to 8 bits of mantissa, some of them after 11.
    @ParameterizedTest
    @CsvSource({"fp8", "int8", "mxfp4"})
    void quantizedExpertsBecomeAnotherType(String type) {
        Path source = folder.resolve("qwen3-moe");
        convert(Fixtures.require("models/qwen3-moe"), source, type, List.of());
        Checkpoint before = Checkpoint.open(source);
        Checkpoint after = Checkpoint.open(convert(source, "bf16"));
        String layer = "model.layers.1.mlp.experts.";
        WeightMatrix merged = after.tensor(layer + "down_proj.weight");
        assertEquals(TensorType.BF16, merged.type());
        try (Kernels kernels = TestConversion.kernels()) {
            var rows = new StoredRows(kernels);
            for (int expert = 0; expert < 8; expert++) {
                WeightMatrix own = before.tensor(layer + expert + ".down_proj.weight");
                assertTrue(own.decoder().isPresent());
                int first = expert * own.rows();
                float[] expected = rows.read(own, IntStream.range(0, own.rows()).toArray());
                float[] actual =
                        rows.read(merged, IntStream.range(first, first + own.rows()).toArray());
                for (int i = 0; i < expected.length; i++) {
                    float bound = Math.abs(expected[i]) * 0x1.3p-8f + Float.MIN_NORMAL;
                    assertEquals(expected[i], actual[i], bound, own.name());
                }
            }
        }
    }

    /// Products with MXFP4 and Q8_0 round activations to int8 per 32 values, those with BF16 do
    /// not; this moves logits of dense models by up to 0.2. Where each token uses two experts, such
    /// errors choose another one at a few positions, whose logits and those of later tokens move by
    /// more than 1. Where it uses all eight there is nothing to choose, and no position differs by
    /// more than in dense models: values, scales and the order of experts are the same.
    @ParameterizedTest
    @CsvSource({"qwen3-moe, bf16", "qwen3-moe, q8_0", "mixtral, bf16", "mixtral, q8_0"})
    void expertsOfMxfp4HaveTheirLogitsAtAllPositionsIfNoneIsChosen(String name, String type)
            throws IOException {
        Path source = folder.resolve(name);
        convert(Fixtures.require("models/" + name), source, "mxfp4", List.of());
        Path config = source.resolve("config.json");
        String text = Files.readString(config);
        String all = text.replaceAll("\"num_experts_per_tok\" *: *2", "\"num_experts_per_tok\": 8");
        assertNotEquals(text, all);
        Files.writeString(config, all);
        float[][] expected = allLogits(source);
        float[][] actual = allLogits(convert(source, type));
        for (int i = 0; i < expected.length; i++) {
            assertArrayEquals(expected[i], actual[i], 0.2f, "position " + i);
        }
    }

    /// Published files of GPT-2 name no part above the layers, and have the mask of attention.
    @Test
    void namesWithoutAPrefixAndMasksOfGpt2AreRead() throws IOException {
        Path source = folder.resolve("gpt2");
        Map<String, List<Long>> shapes = new LinkedHashMap<>();
        shapes.put("wte.weight", List.of(96L, 32L));
        shapes.put("wpe.weight", List.of(64L, 32L));
        for (String norm : List.of("h.0.ln_1", "h.0.ln_2", "ln_f")) {
            shapes.put(norm + ".weight", List.of(32L));
            shapes.put(norm + ".bias", List.of(32L));
        }
        shapes.put("h.0.attn.bias", List.of(1L, 1L, 64L, 64L));
        layer(shapes, "h.0.attn.c_attn", 32, 96);
        layer(shapes, "h.0.attn.c_proj", 32, 32);
        layer(shapes, "h.0.mlp.c_fc", 32, 128);
        layer(shapes, "h.0.mlp.c_proj", 128, 32);
        String config =
                """
                {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "n_embd": 32, "n_layer": 1,
                 "n_head": 4, "n_positions": 64, "n_ctx": 64, "vocab_size": 96,
                 "layer_norm_epsilon": 1e-5, "activation_function": "gelu_new",
                 "bos_token_id": 1, "eos_token_id": 1}
                """;
        TinyCheckpoint.write(source, 3, config, shapes);
        assertArrayEquals(logits(source), logits(convert(source, "none")));
    }

    private static void layer(
            Map<String, List<Long>> shapes, String name, long inputs, long outputs) {
        shapes.put(name + ".weight", List.of(inputs, outputs));
        shapes.put(name + ".bias", List.of(outputs));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "mistral-swa | kvGroups",
                "deepseek-v3 | DeepseekV3ForCausalLM is not converted to GGUF",
            })
    void whatAFileCannotSayIsRefusedByName(String name, String expected) {
        Path source = Fixtures.require("models/" + name);
        String refusal =
                assertThrows(CheckpointException.class, () -> convert(source, "none")).getMessage();
        assertTrue(String.valueOf(refusal).contains(expected), refusal);
        assertTrue(Files.notExists(folder.resolve(name + ".gguf.partial")));
    }

    @ParameterizedTest
    @CsvSource({
        "gemma3-scalar, kvGroups",
        "llama-dynamic, rope.scaling",
        "mistral-f16, kvGroups",
        "olmo3, Olmo3ForCausalLM",
        "qwen3moe-sparse-step, layer 0 has no experts; in a GGUF file of qwen3moe all layers have",
        "qwen3moe-weights-as-they-are, details.experts",
        "smollm3, withoutRope"
    })
    void aRecordedModelThatAFileCannotSayIsRefusedByName(String name, String expected) {
        String refusal =
                assertThrows(
                                CheckpointException.class,
                                () -> convert(RECORDED.resolve(name), "none"))
                        .getMessage();
        assertTrue(String.valueOf(refusal).contains(expected), refusal);
    }

    @ParameterizedTest
    @CsvSource({"mean", "cls", "lasttoken"})
    void thePoolingOfVectorsIsKept(String mode) throws IOException {
        Path source = sentences();
        Files.writeString(
                source.resolve("1_Pooling").resolve("config.json"),
                "{\"pooling_mode\": \"%s\"}".formatted(mode));
        Path target = convert(source, "none");
        assertEquals(
                Checkpoint.open(source).sentenceModel(), Checkpoint.open(target).sentenceModel());
        assertTrue(
                new String(Files.readAllBytes(target), StandardCharsets.ISO_8859_1)
                        .contains("arcee.pooling_type"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "modules.json | [{'path':'','type':'sentence_transformers.models.Transformer'},{'path':'1_Pooling','type':'sentence_transformers.models.Pooling'}] | modules.json: vectors are not normalised",
                "1_Pooling/config.json | {'pooling_mode':'max'} | modules.json: the pooling is max",
                "1_Pooling/config.json | {'include_prompt':false} | modules.json: prompts are not pooled",
                "config_sentence_transformers.json | {'prompts':{'query':'q: '},'default_prompt_name':'query'} | config_sentence_transformers.json: default_prompt_name is query",
                "config_sentence_transformers.json | {'similarity_fn_name':'dot'} | config_sentence_transformers.json: similarity_fn_name is dot",
                "sentence_bert_config.json | {'max_seq_length':32} | sentence_bert_config.json: inputs have at most 32 tokens",
                "tokenizer_config.json | {'model_max_length':32} | tokenizer_config.json: inputs have at most 32 tokens",
                "sentence_bert_config.json | {'do_lower_case':true} | sentence_bert_config.json: do_lower_case is true"
            })
    void whatAFileCannotSayOfVectorsIsRefused(String file, String text, String expected)
            throws IOException {
        Path source = sentences();
        Files.writeString(source.resolve(file), text.replace('\'', '"'));
        String refusal =
                assertThrows(CheckpointException.class, () -> convert(source, "none")).getMessage();
        assertTrue(String.valueOf(refusal).startsWith(source + "/" + expected), refusal);
        assertTrue(Files.notExists(folder.resolve("sentences.gguf.partial")));
    }

    @Test
    void linearLayersAndScoresAreRefused() throws IOException {
        Path source = sentences();
        Path modules = source.resolve("modules.json");
        TinyCheckpoint.write(
                source.resolve("2_Dense"),
                7,
                "{\"in_features\": 32, \"out_features\": 2, \"bias\": false}",
                Map.of("linear.weight", List.of(2L, 32L)));
        Files.writeString(
                modules, MODULES.replace("2_Normalize", "2_Dense").replace("Normalize", "Dense"));
        assertTrue(refusal(source).contains("modules.json: vectors have a Dense layer"));
        Files.createDirectory(source.resolve("1_LogitScore"));
        Files.writeString(
                source.resolve("1_LogitScore").resolve("config.json"), "{\"true_token_id\": 5}");
        Files.writeString(
                modules,
                """
                [{"path": "", "type": "sentence_transformers.models.Transformer"},
                 {"path": "1_LogitScore", "type": "sentence_transformers.models.LogitScore"}]
                """);
        String joined = refusal(source);
        assertTrue(
                joined.contains("config.json: the tokenizer joins a query and a document"), joined);
    }

    /// The product for no is 0 in the file: the softmax of both is the sigmoid of the other.
    @Test
    void aRerankerOfTokensHasTheSameScore() throws IOException {
        Path source = Files.createDirectory(folder.resolve("reranker"));
        Path model = Fixtures.require("models/llama");
        for (String name : List.of("config.json", "model.safetensors", "tokenizer.json")) {
            Files.copy(model.resolve(name), source.resolve(name));
        }
        Files.writeString(
                source.resolve("reranker.json"),
                """
                {"classifier_from_token": ["a", "b"], "instruction": "Find it",
                 "template": "{instruction}: {query} {document}"}
                """);
        Path target = folder.resolve("reranker.gguf");
        List<String> report = run(source, target, "none", List.of());
        assertTrue(
                report.getLast().startsWith("a GGUF file has one instruction"), report::toString);
        SentenceModel.Score expected = score(source);
        SentenceModel.Score actual = score(target);
        assertArrayEquals(expected.weight(), actual.weight());
        assertEquals(expected.activation(), actual.activation());
        assertEquals(expected.pooling(), actual.pooling());
        assertEquals(new PairForm.Template("Find it: {query} {document}"), actual.form());
        assertArrayEquals(
                EncoderConversionTest.states(source), EncoderConversionTest.states(target));
    }

    private static SentenceModel.Score score(Path path) {
        return assertInstanceOf(
                SentenceModel.Score.class, Checkpoint.open(path).sentenceModel().output());
    }

    /// As Qwen3-Embedding: the vector is that of a token that the model does not generate.
    @Test
    void aDecoderThatEmbedsEndsTextsAsItsTokenizerDoes() throws IOException {
        Path source = Files.createDirectory(folder.resolve("embedding"));
        Files.createDirectory(source.resolve("1_Pooling"));
        Path model = Fixtures.require("models/qwen3");
        for (String name : List.of("config.json", "model.safetensors", "tokenizer_config.json")) {
            Files.copy(model.resolve(name), source.resolve(name));
        }
        Files.writeString(source.resolve("modules.json"), MODULES);
        Files.writeString(
                source.resolve("1_Pooling").resolve("config.json"),
                "{\"pooling_mode\": \"lasttoken\"}");
        Files.writeString(
                source.resolve("config_sentence_transformers.json"),
                "{\"prompts\": {\"query\": \"Instruct: find it\"}, \"default_prompt_name\": null}");
        var json =
                (ObjectNode) new ObjectMapper().readTree(model.resolve("tokenizer.json").toFile());
        int other = Checkpoint.open(model).config().specialIds().eos().getFirst() + 1;
        Tokenizer original = Tokenizers.of(TokenizerSource.open(model));
        String end = original.piece(other);
        ObjectNode framing = json.putObject("post_processor").put("type", "TemplateProcessing");
        ArrayNode single = framing.putArray("single");
        single.addObject().putObject("Sequence").put("id", "A").put("type_id", 0);
        single.addObject().putObject("SpecialToken").put("id", end).put("type_id", 0);
        framing.putArray("pair");
        ObjectNode token = framing.putObject("special_tokens").putObject(end).put("id", end);
        token.putArray("ids").add(other);
        token.putArray("tokens").add(end);
        Files.writeString(source.resolve("tokenizer.json"), json.toString());
        Path target = convert(source, "none");
        var framed = new EncodeOptions(false, true);
        int[] ids = Tokenizers.of(TokenizerSource.open(source)).encode(TEXT, framed);
        assertEquals(other, ids[ids.length - 1]);
        assertArrayEquals(ids, Tokenizers.of(TokenizerSource.open(target)).encode(TEXT, framed));
        assertEquals(
                Checkpoint.open(source).sentenceModel().output(),
                Checkpoint.open(target).sentenceModel().output());
        assertArrayEquals(
                EncoderConversionTest.states(source), EncoderConversionTest.states(target));
    }

    @Test
    void promptsThatTextsAskForAreNamed() throws IOException {
        Path source = sentences();
        Files.writeString(
                source.resolve("config_sentence_transformers.json"),
                "{\"prompts\": {\"query\": \"q: \", \"document\": \"\"}}");
        List<String> report = run(source, folder.resolve("prompts.gguf"), "none", List.of());
        assertTrue(report.getLast().endsWith("(query)"), report::toString);
    }

    private String refusal(Path source) {
        return String.valueOf(
                assertThrows(CheckpointException.class, () -> convert(source, "none"))
                        .getMessage());
    }

    /// Writes a model with the normalised mean of its tokens' vectors.
    private Path sentences() throws IOException {
        Path source = folder.resolve("sentences");
        Files.createDirectories(source.resolve("1_Pooling"));
        for (String name : List.of("config.json", "model.safetensors")) {
            Files.copy(RECORDED.resolve("arcee").resolve(name), source.resolve(name));
        }
        Files.writeString(source.resolve("modules.json"), MODULES);
        Files.writeString(source.resolve("1_Pooling").resolve("config.json"), "{}");
        return source;
    }

    @Test
    void anInterruptedConversionGoesOnAndIsEqual() throws IOException {
        Path source = Fixtures.require("models/qwen2");
        Path target = convert(source, "q8_0");
        byte[] whole = Files.readAllBytes(target);
        Files.delete(target);
        Files.write(
                target.resolveSibling(target.getFileName() + ".partial"),
                Arrays.copyOf(whole, whole.length * 2 / 3));
        assertArrayEquals(whole, Files.readAllBytes(convert(source, "q8_0")));
    }

    private Path convert(Path source, String type) {
        return convert(source, type, List.of());
    }

    private Path convert(Path source, String type, List<String> keep) {
        Path target = folder.resolve(source.getFileName() + ".gguf");
        convert(source, target, type, keep);
        return target;
    }

    private static void convert(Path source, Path target, String type, List<String> keep) {
        run(source, target, type, keep);
    }

    private static List<String> run(Path source, Path target, String type, List<String> keep) {
        return TestConversion.run(TestConversion.rounding(source, target, type, keep));
    }

    private static float[] logits(Path path) {
        float[][] all = allLogits(path);
        return all[all.length - 1];
    }

    private static float[][] allLogits(Path path) {
        int[] prompt = IntStream.range(0, 40).map(i -> 5 + i * 37 % 90).toArray();
        return TestConversion.after(path, prompt, model -> model.logits(0, prompt.length));
    }
}
