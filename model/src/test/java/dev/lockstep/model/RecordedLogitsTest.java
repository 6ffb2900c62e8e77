// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.checkpoint.CheckpointException;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Tiny models against logits and greedy ids recorded from transformers, at 1 to 4 ranks, and in
/// any batch: families and features that the shared fixtures lack.
/// `src/test/python/record_references.py` wrote them.
class RecordedLogitsTest {
    /// Eight-bit activations, a scale per 32 values, and few such blocks in a row.
    private static final String QUANTIZED = "gguf-llama-quantized-mixed";

    /// The same for its experts.
    private static final String MXFP4 = "gptoss-mxfp4";

    @TempDir Path copies;

    @TestFactory
    Stream<DynamicTest> logitsAndGreedyIdsMatchTheRecordedOnes() throws Exception {
        return RankCounts.every(
                folders(), RecordedLogitsTest::name, RecordedLogitsTest::requireRecorded);
    }

    /// Each folder at one number of ranks; with `-Dlockstep.long=true` at every one.
    @TestFactory
    Stream<DynamicTest> aSequenceHasTheSameBitsAloneInAMixedBatchAndInChunks() throws Exception {
        return RankCounts.inTurns(
                folders(), RecordedLogitsTest::name, RecordedLogitsTest::requireSameBits);
    }

    private static String name(Path folder) {
        return folder.getFileName().toString();
    }

    @TestFactory
    Stream<DynamicTest> anOlderConfigurationMeansTheSame() throws Exception {
        List<DynamicTest> tests = new ArrayList<>();
        for (Path folder : folders()) {
            if (Files.exists(folder.resolve("config-older.json"))) {
                tests.add(
                        DynamicTest.dynamicTest(
                                name(folder),
                                () -> requireRecorded(withOlderConfiguration(folder), 1)));
            }
        }
        return tests.stream();
    }

    @ParameterizedTest
    @ValueSource(strings = {"gemma3n", "gemma4-layer-inputs"})
    void layersReadKeysAndValuesOfEarlierOnesThatNoSequenceKeeps(String name) throws Exception {
        Path folder = folder(name);
        try (TestGroup group = TestGroup.load(folder, 2, "f32", "f32")) {
            for (int[] prompt : FamilyGoldenTest.goldens(folder).prompts()) {
                List<TestGroup.Row> row =
                        List.of(new TestGroup.Row(prompt, 0, TestGroup.blocks(1, prompt.length)));
                assertArrayEquals(group.hiddenStatesWithKv(row), group.hiddenStates(row));
            }
        }
    }

    /// Requires the recorded logits and ids, or the refusal of a model that has no more to cut.
    private static void requireRecorded(Path folder, int ranks) throws Exception {
        Path model = model(folder);
        Optional<CheckpointException> refusal = refusal(model, ranks);
        if (refusal.isPresent()) {
            requireTooManyRanks(refusal.get(), model, ranks);
            return;
        }
        Goldens goldens = FamilyGoldenTest.goldens(folder);
        assertTrue(longest(goldens) <= ModelSource.open(model).maxContextLength());
        try (TestGroup group = load(model, ranks, goldens)) {
            for (Goldens.Case golden : goldens.cases()) {
                check(model, group, golden);
            }
        }
    }

    private static void requireSameBits(Path folder, int ranks) throws Exception {
        Path model = model(folder);
        int size = ranks;
        while (size > 1 && refusal(model, size).isPresent()) {
            size--;
        }
        Goldens goldens = FamilyGoldenTest.goldens(folder);
        try (TestGroup group = load(model, size, goldens)) {
            AnyBatch.requireSameBits(group, goldens.prompts());
        }
    }

    private static TestGroup load(Path model, int ranks, Goldens goldens) throws Exception {
        String type = isRounded(model) ? "auto" : "f32";
        return TestGroup.load(model, ranks, type, type, new CpuRanks(), longest(goldens));
    }

    /// Asks before ranks load: one that cannot would keep the others waiting.
    private static Optional<CheckpointException> refusal(Path model, int ranks) {
        try {
            ModelSource.open(model).requireLoadable(ranks);
            return Optional.empty();
        } catch (CheckpointException e) {
            return Optional.of(e);
        }
    }

    /// A state is cut by whole heads, blocks of a file by 32 columns; all else loads.
    private static void requireTooManyRanks(CheckpointException refusal, Path model, int ranks) {
        String line = refusal.getMessage();
        Matcher heads =
                Pattern.compile(
                                Pattern.quote(model.toString())
                                        + ": tensor-parallel %d: must be at most the (\\d) heads of the layers that keep a state"
                                                .formatted(ranks))
                        .matcher(line);
        boolean tooFewHeads = heads.matches() && ranks > Integer.parseInt(heads.group(1));
        boolean inBlocks =
                ranks > 2
                        && model.toString().contains(QUANTIZED)
                        && line.endsWith(
                                " cannot be cut there, only at multiples of 32: use fewer ranks");
        assertTrue(tooFewHeads || inBlocks, line);
    }

    private static void check(Path model, TestGroup group, Goldens.Case golden) throws Exception {
        int[] prompt = golden.prompt();
        int[] blocks = TestGroup.blocks(1, prompt.length);
        float[][] logits = group.forward(List.of(new TestGroup.Row(prompt, 0, blocks)));
        if (isMxfp4(model)) {
            requireNearWithoutFlips(golden.logits(), logits);
        } else if (isRounded(model)) {
            GgufGoldenTest.assertNear(golden.logits(), logits);
        } else {
            FamilyGoldenTest.assertClose(golden.logits(), logits);
            assertArrayEquals(golden.greedy(), group.greedy(prompt, golden.greedy().length, 1));
        }
    }

    private static boolean isMxfp4(Path model) {
        return model.toString().contains(MXFP4);
    }

    private static boolean isRounded(Path model) {
        return isMxfp4(model) || model.toString().contains(QUANTIZED);
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
        Path copy = Files.createDirectory(copies.resolve(name(folder)));
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

    /// Returns the folder of a recorded model.
    static Path folder(String name) throws URISyntaxException {
        String resource = "/references/" + name;
        return Path.of(
                Objects.requireNonNull(RecordedLogitsTest.class.getResource(resource)).toURI());
    }

    static List<Path> folders() throws IOException, URISyntaxException {
        try (Stream<Path> folders = Files.list(folder(""))) {
            return folders.sorted().toList();
        }
    }
}
