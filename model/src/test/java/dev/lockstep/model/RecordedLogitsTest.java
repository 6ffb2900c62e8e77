// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Tiny models against logits and greedy ids recorded from transformers: features that the shared
/// fixtures lack. `src/test/python/record_references.py` wrote them.
class RecordedLogitsTest {
    /// Eight-bit activations, a scale per 32 values.
    private static final String QUANTIZED = "gguf-llama-quantized-mixed";

    /// The same for its experts, which have one block of columns and cannot be cut.
    private static final String MXFP4 = "gptoss-mxfp4";

    /// Families of which the shared fixtures have no model.
    private static final List<String> FAMILIES =
            List.of(
                    "apertus",
                    "arcee",
                    "cohere",
                    "cohere2",
                    "ernie4-5",
                    "exaone4",
                    "gemma",
                    "gemma3-vision",
                    "glm",
                    "gguf-deepseek-v3",
                    "gguf-gemma3n",
                    "gguf-gemma4",
                    "gguf-gemma4-layer-inputs",
                    "gguf-gemma4-moe",
                    "gguf-glm4moe",
                    "gguf-qwen2moe",
                    "glm4",
                    "helium",
                    "ministral",
                    "ministral3",
                    "nemotron",
                    "olmo3",
                    "phi4-mini",
                    "qwen2-vl",
                    "qwen3-vl",
                    "seed-oss",
                    "smollm3");

    @TempDir Path copies;

    @TestFactory
    Stream<DynamicTest> logitsAndGreedyIdsMatchTheRecordedOnes() throws Exception {
        List<DynamicTest> tests = new ArrayList<>();
        for (Path folder : folders()) {
            String name = folder.getFileName().toString();
            Goldens goldens = FamilyGoldenTest.goldens(folder);
            for (int ranks = 1; ranks <= (name.endsWith(MXFP4) ? 1 : 2); ranks++) {
                int size = ranks;
                tests.add(
                        DynamicTest.dynamicTest(
                                "%s, %d ranks".formatted(name, size),
                                () -> check(model(folder), goldens, size)));
            }
            if (Files.exists(folder.resolve("config-older.json"))) {
                tests.add(
                        DynamicTest.dynamicTest(
                                name + ", older configuration",
                                () -> check(withOlderConfiguration(folder), goldens, 1)));
            }
        }
        return tests.stream();
    }

    @ParameterizedTest
    @CsvSource({
        "qwen3-5, 3",
        "lfm2, 2",
        "lfm2-moe, 2",
        "nemotron-h, 3",
        "nemotron-h-moe, 3",
        "nemotron-h-moe, 4",
        "nemotron-h-latent, 2",
        "nemotron-h-latent, 3",
        "nemotron-h-latent, 4",
        "granite-hybrid, 3",
        "granite-hybrid-rope, 4",
        "falcon-h1, 3",
        "falcon-h1-norm, 4",
        "qwen3-5-moe, 3",
        "granite-hybrid-moe, 4",
        "gguf-qwen3next, 3",
        "gguf-qwen3-5-moe, 3",
        "gguf-qwen3-5-moe-fused, 4",
        "gguf-qwen3next-fused, 3",
        "gguf-lfm2-moe, 2",
        "gguf-lfm2, 2",
        "gguf-granite-hybrid-moe, 4",
        "gguf-falcon-h1-norm, 3"
    })
    void aSequenceWithAStateHasTheSameBitsAloneInAMixedBatchAndInChunks(String name, int ranks)
            throws Exception {
        Path folder =
                folders().stream().filter(each -> each.endsWith(name)).findFirst().orElseThrow();
        check(model(folder), FamilyGoldenTest.goldens(folder), ranks);
        try (TestGroup group = TestGroup.load(model(folder), ranks, "f32", "f32")) {
            AnyBatch.requireSameBits(group, FamilyGoldenTest.goldens(folder).prompts());
        }
    }

    @TestFactory
    Stream<DynamicTest> furtherFamiliesMatchAtThreeAndFourRanksWithTheSameBitsInAnyBatch()
            throws Exception {
        List<DynamicTest> tests = new ArrayList<>();
        for (Path folder : folders()) {
            if (!FAMILIES.contains(folder.getFileName().toString())) {
                continue;
            }
            Goldens goldens = FamilyGoldenTest.goldens(folder);
            for (int ranks = 3; ranks <= 4; ranks++) {
                int size = ranks;
                tests.add(
                        DynamicTest.dynamicTest(
                                "%s, %d ranks".formatted(folder.getFileName(), size),
                                () -> {
                                    check(model(folder), goldens, size);
                                    checkBits(model(folder), goldens, size);
                                }));
            }
        }
        return tests.stream();
    }

    private static void checkBits(Path model, Goldens goldens, int ranks) throws Exception {
        try (TestGroup group = TestGroup.load(model, ranks, "f32", "f32")) {
            AnyBatch.requireSameBits(group, goldens.prompts());
        }
    }

    private static void check(Path model, Goldens goldens, int ranks) throws Exception {
        boolean mxfp4 = model.toString().contains(MXFP4);
        boolean rounded = mxfp4 || model.toString().contains(QUANTIZED);
        String type = rounded ? "auto" : "f32";
        int positions = longest(goldens);
        assertTrue(positions <= ModelSource.open(model).maxContextLength());
        try (TestGroup group =
                TestGroup.load(model, ranks, type, type, new CpuRanks(), positions)) {
            for (Goldens.Case golden : goldens.cases()) {
                float[][] logits =
                        group.forward(
                                List.of(
                                        new TestGroup.Row(
                                                golden.prompt(),
                                                0,
                                                TestGroup.blocks(1, golden.prompt().length))));
                if (mxfp4) {
                    requireNearWithoutFlips(golden.logits(), logits);
                    continue;
                }
                if (rounded) {
                    GgufGoldenTest.assertNear(golden.logits(), logits);
                    continue;
                }
                FamilyGoldenTest.assertClose(golden.logits(), logits);
                assertArrayEquals(
                        golden.greedy(), group.greedy(golden.prompt(), golden.greedy().length, 1));
            }
        }
    }

    /// Rounding may choose another expert where two are nearly as good; it does so once.
    private static void requireNearWithoutFlips(float[][] expected, float[][] actual) {
        int flips = 0;
        for (int i = 0; i < expected.length; i++) {
            float largest = 0;
            for (int j = 0; j < expected[i].length; j++) {
                largest = Math.max(largest, Math.abs(expected[i][j] - actual[i][j]));
            }
            assertTrue(largest <= 2.7f, "position " + i + " differs by " + largest);
            flips += largest > 0.1f ? 1 : 0;
        }
        assertTrue(flips <= 1, flips + " of " + expected.length + " positions differ");
    }

    private static int longest(Goldens goldens) {
        return goldens.cases().stream()
                .mapToInt(each -> each.prompt().length + each.greedy().length)
                .max()
                .orElseThrow();
    }

    /// Returns the folder itself, or the first of its GGUF files.
    static Path model(Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(file -> file.toString().endsWith(".gguf"))
                    .sorted()
                    .findFirst()
                    .orElse(folder);
        }
    }

    private Path withOlderConfiguration(Path folder) throws IOException {
        Path copy = Files.createDirectory(copies.resolve(folder.getFileName().toString()));
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : files.toList()) {
                Files.copy(file, copy.resolve(file.getFileName().toString()));
            }
        }
        Files.move(
                copy.resolve("config-older.json"),
                copy.resolve("config.json"),
                StandardCopyOption.REPLACE_EXISTING);
        return copy;
    }

    private static List<Path> folders() throws IOException, URISyntaxException {
        Path root =
                Path.of(
                        Objects.requireNonNull(RecordedLogitsTest.class.getResource("/references"))
                                .toURI());
        try (Stream<Path> folders = Files.list(root)) {
            return folders.sorted().toList();
        }
    }
}
