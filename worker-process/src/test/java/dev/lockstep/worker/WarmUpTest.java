// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.cpu.CpuKernels;
import dev.lockstep.kernels.cpu.CpuOptions;
import java.io.IOException;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/// Warm-up at the edges of pools and limits: a group that can form must warm up.
class WarmUpTest extends TinyWorkerSetting {
    private static final int[] PROMPT = {5, 17, 200};

    /// Warms up, then generates within one block; returns the tokens that a step may have.
    private static int warm(int blocks, int maxSequences, Optional<Integer> maxTokens) {
        var formation =
                new StepRunner.Formation(
                        1, "test", new byte[0], blocks, maxSequences, maxTokens, false, 0);
        try (Session session = worker.rank.open(formation, () -> "")) {
            int tokens = worker.rank.warm(session, formation).tokens();
            assertEquals(0, session.lastNumber(), "warm-up steps are not numbered");
            assertEquals(
                    8,
                    TestWorker.generate(session, PROMPT, new int[0], 8, TestWorker.seeded(1))
                            .size());
            return tokens;
        }
    }

    @Test
    void aPoolOfOneBlockBesideTheNullBlockIsEnough() {
        int chunk = warm(2, TestWorker.MAX_SEQUENCES, Optional.empty());
        assertTrue(chunk >= 16 && chunk <= TestWorker.MAX_TOKENS, "chunk " + chunk);
    }

    @Test
    void oneSequenceThatIsShorterThanTheChunkIsEnough() {
        assertTrue(warm(TestWorker.BLOCKS, 1, Optional.empty()) >= 1);
    }

    @Test
    void noStepAllocatesMemory() {
        var formation =
                new StepRunner.Formation(
                        1,
                        "test",
                        new byte[0],
                        TestWorker.BLOCKS,
                        TestWorker.MAX_SEQUENCES,
                        Optional.empty(),
                        false,
                        0);
        try (TestWorker fresh = TestWorker.onTinyModel(folder);
                Session session = fresh.rank.open(formation, () -> "")) {
            Kernels kernels = fresh.rank.kernels();
            long before = kernels.allocatedBytes();
            new WarmUp(kernels, session, TestWorker.BLOCKS).measure();
            TestWorker.generate(session, PROMPT, new int[0], 40, TestWorker.seeded(1));
            assertEquals(before, kernels.allocatedBytes());
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void scratchMemoryThatDoesNotFitIsRefused() {
        Kernels kernels =
                CpuKernels.open(CpuOptions.ofThreads(1).withoutSpinning(), () -> 4L << 10);
        try (TestWorker small = TestWorker.onModel(folder, TestWorker.MAX_POSITIONS, kernels)) {
            for (int i = 0; i < 2; i++) {
                TooLittleMemoryException refusal =
                        assertThrows(TooLittleMemoryException.class, () -> small.open(1));
                assertEquals(
                        "a step of 64 tokens: ops need 0 MiB more of scratch memory, 0 MiB are free, lower --max-num-batched-tokens",
                        refusal.getMessage());
            }
        }
    }

    @Test
    void stepsOfFewTokensAreEnough() {
        assertEquals(3, warm(TestWorker.BLOCKS, TestWorker.MAX_SEQUENCES, Optional.of(3)));
    }

    @Test
    void aRequestedChunkIsKept() {
        assertEquals(50, warm(2, 3, Optional.of(50)));
    }

    @Test
    void aSequenceMayBeShorterThanTheSmallestChunk() {
        for (int maxPositions : new int[] {2, 17}) {
            try (TestWorker small = TestWorker.onTinyModel(folder, maxPositions)) {
                var formation =
                        new StepRunner.Formation(
                                1, "test", new byte[0], 2, 3, Optional.empty(), false, 0);
                try (Session session = small.rank.open(formation, () -> "")) {
                    int chunk = small.rank.warm(session, formation).tokens();
                    assertTrue(chunk >= 16 && chunk <= TestWorker.MAX_TOKENS, "chunk " + chunk);
                }
            } catch (IOException e) {
                throw new AssertionError(e);
            }
        }
    }
}
