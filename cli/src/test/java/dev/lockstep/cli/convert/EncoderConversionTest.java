// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.checkpoint.SentenceModel;
import dev.lockstep.checkpoint.TinyCheckpoint;
import dev.lockstep.model.LocalModel;
import dev.lockstep.text.EncodeOptions;
import dev.lockstep.text.TokenPair;
import dev.lockstep.text.Tokenizer;
import dev.lockstep.text.Tokenizers;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
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

/// Encoders become GGUF files that compute what their folders do.
@Tag("sweep")
class EncoderConversionTest {
    private static final Path ENCODERS =
            Path.of("..", "model", "src", "test", "resources", "encoders");

    @TempDir Path folder;

    @ParameterizedTest
    @ValueSource(
            strings = {
                "bert",
                "bert-masked-lm",
                "distilbert",
                "distilbert-masked-lm",
                "embedding-gemma",
                "modernbert",
                "nomic-bert",
                "roberta-masked-lm",
                "xlm-roberta"
            })
    void aRecordedEncoderHasTheSameBits(String name) {
        Path source = ENCODERS.resolve(name);
        for (String type : List.of("none", "f16")) {
            Path target = convert(source, name + "-" + type + ".gguf", type);
            assertArrayEquals(states(source), states(target));
            assertEquals(
                    Checkpoint.open(source).config().contextLength(),
                    Checkpoint.open(target).config().contextLength());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"distilbert", "modernbert", "roberta", "xlm-roberta"})
    void aRecordedCrossEncoderHasTheSameScores(String name) throws IOException {
        Path source = scoring(name);
        Path target = convert(source, name + ".gguf", "none");
        assertArrayEquals(states(source), states(target));
        requireSameScore(source, target);
    }

    /// llama.cpp's conversion leaves out the pooler of BERT; here it is the layer before the score.
    /// Documents have a token type of their own where the vocabulary is WordPiece.
    @Test
    void aBertWithItsTokenizerJoinsAndScoresPairsAsItsFolder() throws IOException {
        Path source = wordPiece();
        Path target = convert(source, "bert.gguf", "none");
        requireSameScore(source, target);
        assertTrue(score(target).tokenTypes());
        Tokenizer expected = Tokenizers.of(Checkpoint.open(source).tokenizer());
        Tokenizer actual = Tokenizers.of(Checkpoint.open(target).tokenizer());
        TokenPair pair = expected.pair("The workers", "hold the weights.", false).orElseThrow();
        TokenPair read = actual.pair("The workers", "hold the weights.", false).orElseThrow();
        assertArrayEquals(pair.ids(), read.ids());
        assertEquals(pair.second(), read.second());
        var framed = new EncodeOptions(false, true);
        assertArrayEquals(
                expected.encode("Café NAÏVE, the weights", framed),
                actual.encode("Café NAÏVE, the weights", framed));
    }

    /// Writes a cross-encoder of random weights with a recorded tokenizer.
    private Path wordPiece() throws IOException {
        Path source = folder.resolve("word-piece");
        Map<String, List<Long>> shapes = new LinkedHashMap<>();
        shapes.put("bert.embeddings.word_embeddings.weight", List.of(200L, 32L));
        shapes.put("bert.embeddings.position_embeddings.weight", List.of(64L, 32L));
        shapes.put("bert.embeddings.token_type_embeddings.weight", List.of(2L, 32L));
        norm(shapes, "bert.embeddings.LayerNorm");
        String layer = "bert.encoder.layer.0.";
        for (String each :
                List.of(
                        "attention.self.query",
                        "attention.self.key",
                        "attention.self.value",
                        "attention.output.dense")) {
            linear(shapes, layer + each, 32, 32);
        }
        norm(shapes, layer + "attention.output.LayerNorm");
        linear(shapes, layer + "intermediate.dense", 64, 32);
        linear(shapes, layer + "output.dense", 32, 64);
        norm(shapes, layer + "output.LayerNorm");
        linear(shapes, "bert.pooler.dense", 32, 32);
        linear(shapes, "classifier", 1, 32);
        TinyCheckpoint.write(
                source,
                5,
                """
                {"architectures": ["BertForSequenceClassification"], "model_type": "bert",
                 "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 4,
                 "intermediate_size": 64, "vocab_size": 200, "max_position_embeddings": 64,
                 "type_vocab_size": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-12}
                """,
                shapes);
        Path recorded =
                Path.of("..", "text", "src", "test", "resources", "references", "wordpiece");
        Files.copy(recorded.resolve("tokenizer.json"), source.resolve("tokenizer.json"));
        Files.writeString(
                source.resolve("tokenizer_config.json"),
                "{\"tokenizer_class\": \"BertTokenizerFast\", \"cls_token\": \"[CLS]\"}");
        return source;
    }

    private static void norm(Map<String, List<Long>> shapes, String name) {
        shapes.put(name + ".weight", List.of(32L));
        shapes.put(name + ".bias", List.of(32L));
    }

    private static void linear(
            Map<String, List<Long>> shapes, String name, long outputs, long inputs) {
        shapes.put(name + ".weight", List.of(outputs, inputs));
        shapes.put(name + ".bias", List.of(outputs));
    }

    private static void requireSameScore(Path source, Path target) {
        SentenceModel.Score expected = score(source);
        SentenceModel.Score actual = score(target);
        assertEquals(expected.pooling(), actual.pooling());
        assertEquals(expected.tokenTypes(), actual.tokenTypes());
        assertEquals(expected.form(), actual.form());
        int hidden = Checkpoint.open(source).config().hiddenSize();
        for (int from = 0; from < 3 * hidden; from += hidden) {
            float[] state = Arrays.copyOfRange(states(source), from, from + hidden);
            assertEquals(expected.of(state), actual.of(state));
        }
    }

    private static SentenceModel.Score score(Path path) {
        return assertInstanceOf(
                SentenceModel.Score.class, Checkpoint.open(path).sentenceModel().output());
    }

    /// Returns a copy of a recorded cross-encoder, whose score is the sigmoid.
    private Path scoring(String name) throws IOException {
        Path source = folder.resolve(name);
        Files.createDirectory(source);
        Path recorded = ENCODERS.resolveSibling("cross-encoders").resolve(name);
        Files.copy(recorded.resolve("model.safetensors"), source.resolve("model.safetensors"));
        String config = Files.readString(recorded.resolve("config.json"));
        Files.writeString(
                source.resolve("config.json"),
                config.replace(
                        "torch.nn.modules.linear.Identity", "torch.nn.modules.activation.Sigmoid"));
        return source;
    }

    @ParameterizedTest
    @CsvSource({
        "modernbert, classifier_pooling, classifier_activation, the function before the score is TANH",
        "xlm-roberta, Sigmoid, Tanh, the function of the score is TANH",
        "bert, x, x, documents have a token type",
        "gte, x, x, NewForSequenceClassification is not converted to GGUF"
    })
    void aHeadThatAFileCannotSayIsRefusedByName(
            String name, String old, String other, String expected) throws IOException {
        Path source = scoring(name);
        Path config = source.resolve("config.json");
        String text = Files.readString(config);
        Files.writeString(
                config,
                name.equals("modernbert")
                        ? text.replace(
                                "\"classifier_activation\": \"gelu\"",
                                "\"classifier_activation\": \"tanh\"")
                        : text.replace(old, other));
        requireRefused(source, expected);
    }

    /// The layers of EmbeddingGemma after pooling are tensors of a file.
    @Test
    void denseLayersOfEmbeddingGemmaAreKept() throws IOException {
        Path source = sentences("embedding-gemma", "2_Dense", "3_Dense");
        TinyCheckpoint.write(
                source.resolve("2_Dense"),
                7,
                "{\"in_features\": 32, \"out_features\": 48, \"bias\": false, \"activation_function\": \"torch.nn.modules.linear.Identity\"}",
                Map.of("linear.weight", List.of(48L, 32L)));
        TinyCheckpoint.write(
                source.resolve("3_Dense"),
                8,
                "{\"in_features\": 48, \"out_features\": 32, \"bias\": false, \"activation_function\": \"torch.nn.modules.linear.Identity\"}",
                Map.of("linear.weight", List.of(32L, 48L)));
        SentenceModel.Vectors expected = vectors(source);
        SentenceModel.Vectors actual = vectors(convert(source, "dense.gguf", "q4_0"));
        assertEquals(expected.pooling(), actual.pooling());
        assertEquals(2, actual.dense().size());
        for (int i = 0; i < 2; i++) {
            assertArrayEquals(expected.dense().get(i).weight(), actual.dense().get(i).weight());
        }
    }

    /// The table of positions has as many rows as a file has positions.
    @ParameterizedTest
    @ValueSource(strings = {"bert", "xlm-roberta", "nomic-bert"})
    void aLimitOfTokensBecomesThePositionsOfTheFile(String name) throws IOException {
        Path source = sentences(name);
        Files.writeString(source.resolve("sentence_bert_config.json"), "{\"max_seq_length\": 48}");
        Path target = convert(source, "limited.gguf", "none");
        assertEquals(48, Checkpoint.open(target).config().contextLength());
        assertArrayEquals(states(source), states(target));
        assertEquals(vectors(source).pooling(), vectors(target).pooling());
    }

    /// The configuration that the authors of nomic-bert publish has other names.
    @Test
    void thePublishedConfigurationOfNomicBertIsRead() throws IOException {
        Path source = Files.createDirectory(folder.resolve("published"));
        Path recorded = ENCODERS.resolve("nomic-bert");
        Files.copy(recorded.resolve("model.safetensors"), source.resolve("model.safetensors"));
        Files.copy(recorded.resolve("config-published.json"), source.resolve("config.json"));
        assertArrayEquals(states(recorded), states(convert(source, "published.gguf", "none")));
    }

    private static SentenceModel.Vectors vectors(Path path) {
        return assertInstanceOf(
                SentenceModel.Vectors.class, Checkpoint.open(path).sentenceModel().output());
    }

    /// Copies a recorded encoder and adds the normalised mean of its vectors, after linear layers.
    private Path sentences(String name, String... dense) throws IOException {
        Path source = folder.resolve("sentences");
        Files.createDirectories(source.resolve("1_Pooling"));
        for (String file : List.of("config.json", "model.safetensors")) {
            Files.copy(ENCODERS.resolve(name).resolve(file), source.resolve(file));
        }
        Files.writeString(
                source.resolve("1_Pooling").resolve("config.json"), "{\"pooling_mode\": \"mean\"}");
        List<String> modules =
                new ArrayList<>(List.of(module("", "Transformer"), module("1_Pooling", "Pooling")));
        for (String each : dense) {
            modules.add(module(each, "Dense"));
        }
        modules.add(module("9_Normalize", "Normalize"));
        Files.writeString(source.resolve("modules.json"), modules.toString());
        return source;
    }

    private static String module(String path, String type) {
        return "{\"path\": \"%s\", \"type\": \"sentence_transformers.models.%s\"}"
                .formatted(path, type);
    }

    @ParameterizedTest
    @CsvSource({
        "modernbert-masked-lm, attention.bias is true; a GGUF file of modern-bert would be read with false",
        "eurobert, EuroBertModel is not converted to GGUF",
        "gte, NewModel is not converted to GGUF"
    })
    void whatAFileCannotSayOfAnEncoderIsRefusedByName(String name, String expected) {
        requireRefused(ENCODERS.resolve(name), expected);
    }

    private void requireRefused(Path source, String expected) {
        String refusal =
                assertThrows(
                                CheckpointException.class,
                                () -> convert(source, "refused.gguf", "none"))
                        .getMessage();
        assertTrue(String.valueOf(refusal).contains(expected), refusal);
        assertTrue(Files.notExists(folder.resolve("refused.gguf.partial")));
    }

    /// The recorded files have the names and values of llama.cpp's conversion.
    @ParameterizedTest
    @ValueSource(
            strings = {
                "bert",
                "distilbert",
                "embedding-gemma",
                "modernbert",
                "nomic-bert",
                "xlm-roberta"
            })
    void aFileHasTheTensorsOfOneThatLlamaCppWouldWrite(String name) {
        Checkpoint recorded =
                Checkpoint.open(ENCODERS.resolve("gguf-" + name).resolve("model.gguf"));
        Checkpoint written =
                Checkpoint.open(convert(ENCODERS.resolve(name), name + ".gguf", "f16"));
        assertEquals(recorded.tensorNames(), written.tensorNames());
        for (String each : recorded.tensorNames()) {
            assertEquals(recorded.tensorInfo(each), written.tensorInfo(each));
            assertArrayEquals(
                    recorded.tensor(each).data().toArray(ValueLayout.JAVA_BYTE),
                    written.tensor(each).data().toArray(ValueLayout.JAVA_BYTE),
                    each);
        }
    }

    /// Returns the hidden states of a text.
    static float[] states(Path path) {
        int[] ids = IntStream.range(0, 40).map(i -> 5 + i * 37 % 90).toArray();
        return TestConversion.after(path, ids, LocalModel::hiddenStates);
    }

    private Path convert(Path source, String name, String type) {
        Path target = folder.resolve(name);
        TestConversion.run(TestConversion.rounding(source, target, type, List.of()));
        return target;
    }
}
