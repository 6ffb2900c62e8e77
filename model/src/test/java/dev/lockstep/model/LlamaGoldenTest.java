package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Llama against logits and greedy ids recorded from transformers in f32.
class LlamaGoldenTest {
    /// Correct f32 code measures at most 7e-6 on these models; leaving out a detail moves logits by
    /// 5e-4 or more.
    private static final double TOLERANCE = 1e-4;

    @ParameterizedTest
    @CsvSource({
        "llama, 1", "llama, 2", "llama, 3", "llama, 4",
        "llama3-rope, 1", "llama3-rope, 2", "llama-yarn, 1", "llama-yarn, 3"
    })
    void logitsAndGreedyIdsMatchTheRecordedOnes(String name, int ranks) throws Exception {
        Path folder = Fixtures.require("models/" + name);
        Goldens goldens = goldens(folder);
        try (TestGroup group = TestGroup.load(folder, ranks, "f32", "f32")) {
            for (Goldens.Case golden : goldens.cases()) {
                int[] blocks = TestGroup.blocks(1, golden.prompt().length);
                float[][] logits =
                        group.forward(List.of(new TestGroup.Row(golden.prompt(), 0, blocks)));
                assertClose(golden.logits(), logits);
                assertArrayEquals(
                        golden.greedy(), group.greedy(golden.prompt(), golden.greedy().length, 1));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3})
    void aSequenceHasTheSameBitsAloneInAMixedBatchAndInChunks(int ranks) throws Exception {
        Path folder = Fixtures.require("models/llama");
        Goldens goldens = goldens(folder);
        try (TestGroup group = TestGroup.load(folder, ranks, "f32", "f32")) {
            List<float[][]> alone = new ArrayList<>();
            List<TestGroup.Row> together = new ArrayList<>();
            int block = 1;
            for (Goldens.Case golden : goldens.cases()) {
                int[] blocks = TestGroup.blocks(block, golden.prompt().length);
                block += blocks.length;
                TestGroup.Row row = new TestGroup.Row(golden.prompt(), 0, blocks);
                alone.add(group.forward(List.of(row)));
                together.add(row);
            }
            float[][] mixed = group.forward(together.reversed());
            int token = 0;
            for (int i = alone.size() - 1; i >= 0; i--) {
                for (float[] row : alone.get(i)) {
                    assertArrayEquals(row, mixed[token++]);
                }
            }
            int[] longest = goldens.cases().getLast().prompt();
            for (int chunk : new int[] {1, 7, 16, 33}) {
                int[] blocks = TestGroup.blocks(block, longest.length);
                for (int from = 0; from < longest.length; from += chunk) {
                    int to = Math.min(longest.length, from + chunk);
                    int[] ids = java.util.Arrays.copyOfRange(longest, from, to);
                    float[][] part = group.forward(List.of(new TestGroup.Row(ids, from, blocks)));
                    for (int i = 0; i < ids.length; i++) {
                        assertArrayEquals(alone.getLast()[from + i], part[i]);
                    }
                }
            }
        }
    }

    static Goldens goldens(Path folder) {
        return Goldens.of(
                Goldens.json(folder.resolve("golden.json")),
                folder.resolve("golden-logits.safetensors"),
                "");
    }

    static void assertClose(float[][] expected, float[][] actual) {
        double worst = 0;
        for (int t = 0; t < expected.length; t++) {
            for (int i = 0; i < expected[t].length; i++) {
                double difference = Math.abs((double) expected[t][i] - actual[t][i]);
                // A NaN must fail too.
                worst = difference <= worst ? worst : difference;
            }
        }
        assertTrue(worst <= TOLERANCE, "largest difference " + worst);
    }
}
