// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.WeightMatrix;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Tiny quantized checkpoints against what the reference of each format gives: the bits of every
/// dequantized matrix, and logits and greedy ids of a model with these weights in f32.
/// `src/test/python/record_quantized.py` wrote them.
class QuantizedGoldenTest {
    private static final String EXPERTS = "mxfp4-experts";

    @TestFactory
    Stream<DynamicTest> everyDequantizedMatrixHasTheBitsOfItsReference() throws Exception {
        return folders().stream()
                .map(
                        folder ->
                                DynamicTest.dynamicTest(
                                        name(folder), () -> requireDequantized(folder)));
    }

    @TestFactory
    Stream<DynamicTest> logitsAndGreedyIdsMatchTheRecordedOnes() throws Exception {
        List<DynamicTest> tests = new ArrayList<>();
        for (Path folder : folders()) {
            for (int ranks = 1; ranks <= 3 && !name(folder).equals(EXPERTS); ranks++) {
                int size = ranks;
                tests.add(
                        DynamicTest.dynamicTest(
                                "%s, %d ranks".formatted(name(folder), size),
                                () -> requireLogits(folder, size)));
            }
        }
        return tests.stream();
    }

    @ParameterizedTest
    @CsvSource({"fp8-blocks, 2", "gptq-act-order, 1", "mlx, 2"})
    void aSequenceHasTheSameBitsAloneInAMixedBatchAndInChunks(String name, int ranks)
            throws Exception {
        Path folder = root().resolve(name);
        try (TestGroup group = TestGroup.load(folder, ranks, "f32", "f32")) {
            AnyBatch.requireSameBits(group, goldens(folder).prompts());
        }
    }

    private static void requireDequantized(Path folder) throws Exception {
        Checkpoint checkpoint = Checkpoint.openFiles(folder);
        JsonNode recorded = Goldens.json(folder.resolve("golden.json")).get("dequantized");
        for (Map.Entry<String, JsonNode> entry : recorded.properties()) {
            WeightMatrix matrix = checkpoint.tensor(entry.getKey());
            int[] rows = IntStream.range(0, matrix.rows()).toArray();
            try (Arena arena = Arena.ofShared()) {
                byte[] bytes =
                        matrix.decode(rows, 0, matrix.columns(), arena)
                                .toArray(ValueLayout.JAVA_BYTE);
                byte[] digest = MessageDigest.getInstance("SHA-256").digest(bytes);
                assertEquals(
                        entry.getValue().asText(),
                        HexFormat.of().formatHex(digest),
                        () -> entry.getKey() + " as " + matrix.type());
            }
        }
    }

    private static void requireLogits(Path folder, int ranks) throws Exception {
        Goldens goldens = goldens(folder);
        ModelSource.open(folder).requireLoadable(ranks);
        try (TestGroup group = TestGroup.load(folder, ranks, "f32", "f32")) {
            for (Goldens.Case golden : goldens.cases()) {
                int[] blocks = TestGroup.blocks(1, golden.prompt().length);
                FamilyGoldenTest.assertClose(
                        golden.logits(),
                        group.forward(List.of(new TestGroup.Row(golden.prompt(), 0, blocks))));
                assertArrayEquals(
                        golden.greedy(), group.greedy(golden.prompt(), golden.greedy().length, 1));
            }
        }
    }

    private static Goldens goldens(Path folder) {
        return Goldens.of(
                Goldens.json(folder.resolve("golden.json")).get("cases"),
                folder.resolve("golden-logits.safetensors"),
                "");
    }

    private static String name(Path folder) {
        return folder.getFileName().toString();
    }

    private static Path root() throws URISyntaxException {
        return Path.of(
                Objects.requireNonNull(QuantizedGoldenTest.class.getResource("/quantized"))
                        .toURI());
    }

    private static List<Path> folders() throws IOException, URISyntaxException {
        try (Stream<Path> folders = Files.list(root())) {
            return folders.sorted().toList();
        }
    }
}
