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
import dev.lockstep.model.LoadSettings;
import dev.lockstep.model.LocalModel;
import dev.lockstep.model.ModelSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
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

    /// llama.cpp's conversion leaves out the pooler of BERT; here it is the layer before the score.
    @ParameterizedTest
    @ValueSource(strings = {"distilbert", "modernbert", "roberta", "xlm-roberta"})
    void aRecordedCrossEncoderHasTheSameScores(String name) throws IOException {
        Path source = scoring(name);
        Path target = convert(source, name + ".gguf", "none");
        assertArrayEquals(states(source), states(target));
        requireSameScore(source, target);
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

    /// Returns the hidden states of a text.
    static float[] states(Path path) {
        int[] ids = IntStream.range(0, 40).map(i -> 5 + i * 37 % 90).toArray();
        try (LocalModel model =
                LocalModel.load(
                        ModelSource.open(path),
                        TestConversion.kernels(),
                        64,
                        LoadSettings.Progress.none())) {
            model.run(ids);
            return model.hiddenStates();
        }
    }

    private Path convert(Path source, String name, String type) {
        Path target = folder.resolve(name);
        new Conversion(
                        source,
                        target,
                        Quantization.of(type, 32, 0.5f).orElseThrow(),
                        List.of(),
                        Optional.empty(),
                        512,
                        Method.ROUND)
                .run(TestConversion::kernels, 1L << 30, TestConversion.quiet());
        return target;
    }
}
