// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.lockstep.checkpoint.Fixtures;
import dev.lockstep.checkpoint.SeparateExperts;
import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Recorded models as `convert` writes them: with a matrix for each expert.
class SeparateExpertsTest {
    @ParameterizedTest
    @CsvSource({
        "gpt-oss, ALTERNATING, 1",
        "gpt-oss, ALTERNATING, 3",
        "gpt-oss, ALTERNATING, 4",
        "llama4, COLUMNS, 2",
        "qwen3-vl-moe, COLUMNS, 3",
        "granitemoeshared, ROWS, 3",
        "granite-hybrid-moe, ROWS, 2"
    })
    void expertsThatWereTakenApartMatchTheRecordedLogits(
            String name, SeparateExperts.Form form, int ranks, @TempDir Path temporary)
            throws Exception {
        Path apart = temporary.resolve("apart");
        Path source =
                name.equals("gpt-oss")
                        ? Fixtures.require("models/gpt-oss")
                        : RecordedLogitsTest.folder(name);
        SeparateExperts.write(source, apart, form);
        ModelSource.open(apart).requireLoadable(ranks);
        try (TestGroup group = TestGroup.load(apart, ranks, "f32", "f32")) {
            Goldens goldens = FamilyGoldenTest.goldens(apart);
            for (Goldens.Case golden : goldens.cases()) {
                FamilyGoldenTest.requireLogits(name, group, golden);
                assertArrayEquals(
                        golden.greedy(), group.greedy(golden.prompt(), golden.greedy().length, 1));
            }
            AnyBatch.requireSameBits(group, goldens.prompts());
        }
    }
}
