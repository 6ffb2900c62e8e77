// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.model.TestGroup.Row;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;

/// One rank of a model on CUDA devices, in a process of its own. All ranks run the same steps, each
/// of one token eagerly and by a recording; rank 0 requires equal bits of both, and the recorded
/// logits and ids.
final class GoldenRank {
    private GoldenRank() {}

    /// Runs one rank, and ends the process with a failure where something differs.
    ///
    /// @param arguments the model's folder, the rank, the number of ranks, NCCL's id in hexadecimal
    public static void main(String[] arguments) {
        Path folder = Path.of(arguments[0]);
        int rank = Integer.parseInt(arguments[1]);
        int size = Integer.parseInt(arguments[2]);
        var devices = new CudaRanks(HexFormat.of().parseHex(arguments[3]));
        Goldens goldens = FamilyGoldenTest.goldens(folder);
        try (TestRank own = TestRank.load(folder, rank, size, "f32", "f32", devices, 1)) {
            for (Goldens.Case golden : goldens.cases()) {
                run(own, golden, rank == 0);
            }
        }
        System.out.printf("rank %d of %d agrees%n", rank, size);
        System.exit(0);
    }

    private static void run(TestRank rank, Goldens.Case golden, boolean compares) {
        int[] prompt = golden.prompt();
        int[] greedy = golden.greedy();
        int[] blocks = TestGroup.blocks(1, prompt.length + greedy.length);
        float[][] logits = rank.forward(List.of(new Row(prompt, 0, blocks)), 0);
        if (compares) {
            FamilyGoldenTest.assertClose(golden.logits(), logits);
            assertEquals(greedy[0], TestGroup.argMax(logits[prompt.length - 1]));
        }
        for (int i = 1; i < greedy.length; i++) {
            int[] last = {greedy[i - 1]};
            List<Row> step = List.of(new Row(last, prompt.length + i - 1, blocks));
            float[] eager = rank.forward(step, 0)[0];
            float[] recorded = rank.replay(step)[0];
            if (compares) {
                assertArrayEquals(eager, recorded);
                assertEquals(greedy[i], TestGroup.argMax(recorded));
            }
        }
    }
}
