// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.lockstep.kernels.cuda.CudaUnderTest;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/// Encoders on CUDA devices, whose tokens attend to later ones, against hidden states recorded from
/// transformers in f32: alone and beside others.
@Tag("gpu")
@Tag("processes")
final class CudaEncodersTest {

    static List<Path> folders() throws Exception {
        return RecordedEncodersTest.folders();
    }

    @ParameterizedTest
    @MethodSource("folders")
    void oneRankGivesTheRecordedHiddenStates(Path folder) throws Exception {
        requireGoldens(folder, 1);
    }

    @ParameterizedTest
    @ValueSource(strings = {"bert", "modernbert", "nomic-bert", "embedding-gemma"})
    @Tag("ranks")
    void threeRanksGiveTheRecordedHiddenStates(String name) throws Exception {
        requireGoldens(RecordedEncodersTest.folder(name), 3);
    }

    private static void requireGoldens(Path folder, int ranks) throws Exception {
        CudaUnderTest.assumeRanks(ranks);
        Goldens goldens = FamilyGoldenTest.goldens(folder);
        try (TestGroup group =
                TestGroup.load(
                        RecordedEncodersTest.model(folder), ranks, "f32", "f32", new CudaRanks())) {
            List<TestGroup.Row> rows = new ArrayList<>();
            List<float[]> expected = new ArrayList<>();
            int block = 1;
            for (Goldens.Case golden : goldens.cases()) {
                int[] blocks = TestGroup.blocks(block, golden.prompt().length);
                block += blocks.length;
                var row = new TestGroup.Row(golden.prompt(), 0, blocks);
                requireClose(List.of(golden.logits()), group.hiddenStates(List.of(row)));
                rows.add(row);
                expected.addAll(List.of(golden.logits()));
            }
            requireClose(expected, group.hiddenStates(rows));
        }
    }

    private static void requireClose(List<float[]> expected, float[][] actual) {
        for (int token = 0; token < expected.size(); token++) {
            assertArrayEquals(
                    expected.get(token),
                    actual[token],
                    RecordedEncodersTest.TOLERANCE,
                    "token " + token);
        }
    }
}
