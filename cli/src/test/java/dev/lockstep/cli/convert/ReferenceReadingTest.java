// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cli.convert;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.CacheScales;
import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.CompressedLayout;
import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.checkpoint.SeparateExperts;
import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.checkpoint.TokenizerSource;
import dev.lockstep.checkpoint.WeightMatrix;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.model.StoredRows;
import dev.lockstep.text.EncodeOptions;
import dev.lockstep.text.Tokenizers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// The reference libraries read what a conversion wrote, and get the values that Lockstep computes
/// with. Where they are not installed, what was rounded must be what they have read once
/// ([RecordedReadings]), and tests of what was calibrated are skipped.
@Tag("processes")
class ReferenceReadingTest {
    @TempDir Path folder;

    private Optional<ReferenceReader> reader = Optional.empty();

    @BeforeEach
    void findReader() throws Exception {
        reader = ReferenceReader.find(folder);
    }

    @Test
    void foldersHaveTheValuesOfCompressedTensors() throws Exception {
        Path source = Fixtures.require("models/llama");
        List<Path> targets = new ArrayList<>();
        for (String type : List.of("int4", "int8", "fp8", "mxfp4")) {
            targets.add(convert(source, type, type, 32));
        }
        targets.add(convert(source, "int4-wide", "int4", 128));
        Path zero = folder.resolve("zero");
        withZeroPoints(source, zero, Method.ROUND, Optional.empty());
        targets.add(zero);
        requireQuantized(targets);
        requireRead("folder", targets, source);
    }

    @Test
    void calibratedFoldersHaveTheValuesOfCompressedTensors() throws Exception {
        ReferenceReader.require(reader);
        Path source = Fixtures.require("models/llama");
        List<Path> targets = new ArrayList<>();
        Path texts =
                Files.writeString(
                        folder.resolve("texts.jsonl"), "{\"text\": \"one rank after the other\"}");
        targets.add(convert(source, "smooth", Quantization.SMOOTHED, 32, Optional.of(texts)));
        for (Method method : EnumSet.complementOf(EnumSet.of(Method.ROUND))) {
            Path target = folder.resolve("zero-" + method);
            withZeroPoints(source, target, method, Optional.of(texts));
            targets.add(target);
        }
        requireQuantized(targets);
        requireEqual(targets, source);
    }

    private static void requireQuantized(List<Path> targets) {
        for (Path target : targets) {
            assertTrue(quantized(target) > 0, target::toString);
        }
    }

    private static void withZeroPoints(
            Path source, Path target, Method method, Optional<Path> texts) {
        new Conversion(
                        source,
                        target,
                        new Quantization.Folder(new CompressedLayout.Groups(4, 64, true)),
                        List.of(),
                        texts,
                        512,
                        method)
                .run(TestConversion::kernels, 1L << 30, TestConversion.quiet());
    }

    /// transformers reads the matrices of single experts into one parameter for all again.
    @ParameterizedTest
    @ValueSource(strings = {"int4", "int8", "fp8"})
    void expertsThatWereTakenApartAreReadByTransformers(String type) throws Exception {
        Path source = folder.resolve("fused");
        SeparateExperts.fuse(
                Fixtures.require("models/qwen3-moe"), source, SeparateExperts.Form.ROWS);
        Path target = convert(source, type, type, 32);
        if (reader.isPresent()) {
            requireFused(source, target);
        }
        RecordedReadings.check("fused-" + type, target, reader.isPresent());
    }

    private void requireFused(Path source, Path target) throws Exception {
        Checkpoint own = Checkpoint.open(target);
        Checkpoint reference =
                reader.orElseThrow()
                        .read(List.of(target), source.resolve("config.json"))
                        .getFirst();
        try (Kernels kernels = TestConversion.kernels()) {
            var rows = new StoredRows(kernels);
            for (int layer = 0; layer < own.config().layerCount(); layer++) {
                String experts = "model.layers.%d.mlp.experts.".formatted(layer);
                for (List<String> projections :
                        List.of(List.of("gate_proj", "up_proj"), List.of("down_proj"))) {
                    float[] all =
                            values(
                                    rows,
                                    reference.tensor(
                                            experts
                                                    + (projections.size() == 2
                                                            ? "gate_up_proj"
                                                            : "down_proj")));
                    int from = 0;
                    for (int expert = 0; expert < 8; expert++) {
                        for (String each : projections) {
                            WeightMatrix matrix =
                                    own.tensor(experts + expert + "." + each + ".weight");
                            float[] actual = decoded(rows, matrix);
                            float[] expected = Arrays.copyOfRange(all, from, from + actual.length);
                            assertArrayEquals(expected, actual, matrix.name());
                            from += actual.length;
                        }
                    }
                    assertEquals(all.length, from);
                }
            }
        }
    }

    /// transformers has no rule for these; llm-compressor makes the same modules of them.
    @ParameterizedTest
    @CsvSource({
        "gpt-oss, mxfp4",
        "gpt-oss, int4",
        "llama4-vision, fp8",
        "qwen3-vl-moe, fp8",
        "gemma4-moe, int8",
        "granitemoeshared, mxfp4"
    })
    void modulesOfExpertsHaveTheValuesOfCompressedTensors(String name, String type)
            throws Exception {
        Path source =
                name.equals("gpt-oss")
                        ? Fixtures.require("models/gpt-oss")
                        : Path.of("..", "model", "src", "test", "resources", "references")
                                .resolve(name);
        Path target = convert(source, "target", type, 32);
        if (reader.isPresent()) {
            requireModules(target);
        }
        RecordedReadings.check("modules-%s-%s".formatted(name, type), target, reader.isPresent());
    }

    private void requireModules(Path target) throws Exception {
        Checkpoint own = Checkpoint.open(target);
        Checkpoint reference =
                reader.orElseThrow()
                        .readModules(List.of(target), target.resolve("config.json"))
                        .getFirst();
        assertEquals(own.tensorNames(), reference.tensorNames());
        int experts = 0;
        try (Kernels kernels = TestConversion.kernels()) {
            var rows = new StoredRows(kernels);
            for (String each : own.tensorNames()) {
                WeightMatrix matrix = own.tensor(each);
                assertArrayEquals(
                        values(rows, reference.tensor(each)), decoded(rows, matrix), each);
                experts += each.contains(".experts.") && matrix.decoder().isPresent() ? 1 : 0;
            }
        }
        assertTrue(experts >= 6, () -> "no experts are quantized");
    }

    /// compressed-tensors reads the scales that are fixed, and they are what transformers has for
    /// the same text.
    @ParameterizedTest
    @ValueSource(strings = {"llama", "mixtral"})
    void fixedScalesAreThoseOfCompressedTensors(String name) throws Exception {
        ReferenceReader found = ReferenceReader.require(reader);
        Path source = Fixtures.require("models/" + name);
        String sentence = "one rank after the other, and none stands still";
        Path texts =
                Files.writeString(
                        folder.resolve("texts.jsonl"), "{\"text\": \"%s\"}".formatted(sentence));
        Path target = folder.resolve("fixed");
        new Conversion(
                        source,
                        target,
                        new Quantization.Folder(new CompressedLayout.Fp8(true), true),
                        List.of(),
                        Optional.of(texts),
                        512,
                        Method.ROUND)
                .run(TestConversion::kernels, 1L << 30, TestConversion.quiet());
        TokenizerSource tokenizer = Checkpoint.open(source).tokenizer();
        int[] ids = Tokenizers.of(tokenizer).encode(sentence, new EncodeOptions(false, true));
        Checkpoint maxima = found.maxima(source, ids);
        Checkpoint read = found.read(List.of(target), source.resolve("config.json")).getFirst();
        int compared = 0;
        for (String each : maxima.tensorNames()) {
            String scale =
                    each.endsWith(".input")
                            ? each.replaceFirst("input$", "input_scale")
                            : each + "_scale";
            if (read.tensorInfo(scale).isPresent()) {
                float largest = maxima.tensor(each).floats(0, 1)[0];
                assertEquals(largest / 448, read.tensor(scale).floats(0, 1)[0], 1e-6f * largest);
                compared++;
            }
        }
        // Of each layer 2 of keys and values, and 4 of attention; experts are one module there.
        assertTrue(compared >= 3 * 6, "compared " + compared);
        CacheScales.OfLayer cache =
                Checkpoint.open(target).cacheScales().ofLayer(1, 2).orElseThrow();
        String attention = "model.layers.1.self_attn.";
        assertEquals(read.tensor(attention + "k_scale").floats(0, 1)[0], cache.keys()[1]);
        assertEquals(read.tensor(attention + "v_scale").floats(0, 1)[0], cache.values()[0]);
    }

    @Test
    void filesHaveTheValuesOfGguf() throws Exception {
        Path source = Fixtures.require("gguf/llama-F32.gguf");
        Path folders = Fixtures.require("models");
        List<Path> targets = new ArrayList<>();
        for (Target each : Target.values()) {
            if (each != Target.NONE) {
                targets.add(convert(source, each.word() + ".gguf", each.word(), 32));
            }
        }
        targets.add(convert(folders.resolve("llama"), "llama.gguf", "q4_k", 32));
        targets.add(convert(folders.resolve("qwen2"), "qwen2.gguf", "q8_0", 32));
        targets.add(convert(folders.resolve("gemma2"), "gemma2.gguf", "none", 32));
        targets.add(convert(folders.resolve("mixtral"), "mixtral.gguf", "q5_0", 32));
        targets.add(convert(folders.resolve("gpt2"), "gpt2.gguf", "q4_k", 32));
        Path encoders = Path.of("..", "model", "src", "test", "resources", "encoders");
        for (String each :
                List.of(
                        "bert",
                        "distilbert",
                        "xlm-roberta",
                        "modernbert",
                        "nomic-bert",
                        "embedding-gemma")) {
            targets.add(convert(encoders.resolve(each), each + ".gguf", "q8_0", 32));
        }
        requireRead("file", targets, folders.resolve("llama"));
    }

    /// Compares with what the libraries read now, where they are, and with what they have read.
    private void requireRead(String kind, List<Path> targets, Path config) throws Exception {
        if (reader.isPresent()) {
            requireEqual(targets, config);
        }
        for (Path target : targets) {
            RecordedReadings.check(kind + "-" + target.getFileName(), target, reader.isPresent());
        }
    }

    private static long quantized(Path target) {
        Checkpoint checkpoint = Checkpoint.open(target);
        return checkpoint.tensorNames().stream()
                .filter(name -> checkpoint.tensor(name).decoder().isPresent())
                .count();
    }

    private void requireEqual(List<Path> targets, Path config) throws Exception {
        List<Checkpoint> references =
                reader.orElseThrow().read(targets, config.resolve("config.json"));
        for (int i = 0; i < targets.size(); i++) {
            requireEqual(Checkpoint.open(targets.get(i)), references.get(i));
        }
    }

    private static void requireEqual(Checkpoint own, Checkpoint reference) {
        assertEquals(own.tensorNames().size(), reference.tensorNames().size());
        try (Kernels kernels = TestConversion.kernels()) {
            var rows = new StoredRows(kernels);
            for (String name : own.tensorNames()) {
                WeightMatrix matrix = own.tensor(name);
                // The stored name of a matrix in several parts is that of one of them.
                String stored =
                        matrix.decoder().isPresent()
                                ? name
                                : own.tensorInfo(name).orElseThrow().storedName();
                float[] expected = values(rows, reference.tensor(stored));
                float[] actual = decoded(rows, matrix);
                assertArrayEquals(
                        expected, actual, () -> "%s: %s".formatted(own.path(), matrix.name()));
            }
        }
    }

    /// Returns the values of a matrix, rounded as compressed-tensors does.
    static float[] decoded(StoredRows rows, WeightMatrix matrix) {
        float[] actual = values(rows, matrix);
        if (matrix.decoder().isPresent() && isInteger(matrix.type())) {
            roundToHalf(actual);
        }
        return actual;
    }

    private static boolean isInteger(TensorType type) {
        return type == TensorType.Q4_0 || type == TensorType.Q4_ZERO || type == TensorType.Q8_0;
    }

    /// Rounds as compressed-tensors does: products of integers and f16 scales become f16. Lockstep
    /// keeps them.
    private static void roundToHalf(float[] values) {
        for (int i = 0; i < values.length; i++) {
            values[i] = Float.float16ToFloat(Float.floatToFloat16(values[i]));
        }
    }

    /// Returns all values in the order of the file; all zeros are positive.
    private static float[] values(StoredRows rows, WeightMatrix matrix) {
        float[] values =
                matrix.columns() == 1
                        ? matrix.floats(0, matrix.rows())
                        : rows.read(matrix, IntStream.range(0, matrix.rows()).toArray());
        for (int i = 0; i < values.length; i++) {
            values[i] += 0f;
        }
        return values;
    }

    private Path convert(Path source, String name, String type, int groupSize) {
        return convert(source, name, type, groupSize, Optional.empty());
    }

    private Path convert(
            Path source, String name, String type, int groupSize, Optional<Path> texts) {
        Path target = folder.resolve(name);
        new Conversion(
                        source,
                        target,
                        Quantization.of(type, groupSize, 0.5f).orElseThrow(),
                        List.of(),
                        texts,
                        512,
                        Method.ROUND)
                .run(TestConversion::kernels, 1L << 30, TestConversion.quiet());
        return target;
    }
}
