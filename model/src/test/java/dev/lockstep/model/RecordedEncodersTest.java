// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.checkpoint.ModelConfig;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/// Tiny encoders against hidden states recorded from transformers, and with the same bits alone and
/// beside others. `src/test/python/record_encoders.py` wrote them.
class RecordedEncodersTest {
    static final float TOLERANCE = 1e-4f;

    @TempDir Path copies;

    @TestFactory
    Stream<DynamicTest> hiddenStatesMatchTheRecordedOnes() throws Exception {
        List<DynamicTest> tests = new ArrayList<>();
        for (Path folder : folders()) {
            for (int ranks = 1; ranks <= 3; ranks++) {
                int size = ranks;
                tests.add(
                        DynamicTest.dynamicTest(
                                "%s, %d ranks".formatted(folder.getFileName(), size),
                                () -> check(folder, size)));
            }
        }
        return tests.stream();
    }

    @Test
    void aConfigurationAsItsAuthorsPublishItIsTheSameModel() throws Exception {
        Path folder = folder("nomic-bert");
        Path copy = Files.createDirectory(copies.resolve("published"));
        for (String file :
                List.of("model.safetensors", "golden.json", "golden-logits.safetensors")) {
            Files.copy(folder.resolve(file), copy.resolve(file));
        }
        Files.copy(folder.resolve("config-published.json"), copy.resolve("config.json"));
        check(copy, 1);
    }

    @Test
    void positionsOfPaddingAreNoneOfAText() throws Exception {
        assertEquals(64, config("bert").contextLength());
        assertEquals(64, config("xlm-roberta").contextLength());
        assertEquals(2, config("xlm-roberta").details().encoder().orElseThrow().firstPosition());
    }

    @Test
    void aGgufFileIsTheSameModelAsItsFolder() throws Exception {
        for (String name :
                List.of(
                        "bert",
                        "xlm-roberta",
                        "distilbert",
                        "nomic-bert",
                        "modernbert",
                        "embedding-gemma")) {
            ModelConfig folder = config(name);
            ModelConfig file = config("gguf-" + name);
            assertEquals(folder.contextLength(), file.contextLength(), name);
            assertEquals(folder.kvGroups(), file.kvGroups(), name);
            assertEquals(folder.rope(), file.rope(), name);
            assertEquals(folder.windowRope(), file.windowRope(), name);
            assertEquals(folder.normEpsilon(), file.normEpsilon(), 1e-12, name);
            assertEquals(folder.details().activation(), file.details().activation(), name);
            assertEquals(
                    folder.details().encoder().orElseThrow().tokenTypes(),
                    file.details().encoder().orElseThrow().tokenTypes(),
                    name);
            assertArrayEquals(
                    states(folder("gguf-" + name)), states(folder(name)), name + ": the bits");
        }
    }

    private static float[] states(Path folder) throws Exception {
        int[] prompt = FamilyGoldenTest.goldens(folder).cases().getLast().prompt();
        try (TestGroup group = TestGroup.load(model(folder), 2, "f32", "f32")) {
            var row = new TestGroup.Row(prompt, 0, TestGroup.blocks(1, prompt.length));
            return group.hiddenStates(List.of(row))[prompt.length - 1];
        }
    }

    private static void check(Path folder, int ranks) throws Exception {
        Goldens goldens = FamilyGoldenTest.goldens(folder);
        try (TestGroup group = TestGroup.load(model(folder), ranks, "f32", "f32")) {
            List<float[][]> alone = new ArrayList<>();
            List<TestGroup.Row> together = new ArrayList<>();
            int block = 1;
            for (Goldens.Case golden : goldens.cases()) {
                int[] blocks = TestGroup.blocks(block, golden.prompt().length);
                block += blocks.length;
                var row = new TestGroup.Row(golden.prompt(), 0, blocks);
                float[][] states = group.hiddenStates(List.of(row));
                assertEquals(golden.logits().length, states.length);
                for (int token = 0; token < states.length; token++) {
                    assertArrayEquals(
                            golden.logits()[token], states[token], TOLERANCE, "token " + token);
                }
                alone.add(states);
                together.add(row);
            }
            float[][] mixed = group.hiddenStates(together.reversed());
            int token = 0;
            for (float[][] states : alone.reversed()) {
                for (float[] state : states) {
                    assertArrayEquals(state, mixed[token++], "beside others");
                }
            }
        }
    }

    static Path model(Path folder) {
        Path file = folder.resolve("model.gguf");
        return Files.exists(file) ? file : folder;
    }

    private static ModelConfig config(String name) throws Exception {
        return ModelSource.open(model(folder(name))).config();
    }

    static Path folder(String name) throws Exception {
        return folders().stream().filter(each -> each.endsWith(name)).findFirst().orElseThrow();
    }

    static List<Path> folders() throws IOException, URISyntaxException {
        Path root =
                Path.of(
                        Objects.requireNonNull(RecordedEncodersTest.class.getResource("/encoders"))
                                .toURI());
        try (Stream<Path> folders = Files.list(root)) {
            return folders.sorted().toList();
        }
    }
}
