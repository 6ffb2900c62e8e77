// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.AttentionRun.Chunk;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// The contract of indices that ops read from device memory: one out of range is refused by the op
/// or by the next wait, once, and nothing outside the op's tensors is written.
public interface IndexContract extends KernelsContract {
    /// What guards a tensor before and after its rows.
    float GUARD = 42;

    @ParameterizedTest
    @ValueSource(ints = {5, -1, Integer.MAX_VALUE, Integer.MIN_VALUE})
    default void anIdOutsideTheEmbeddingTableIsRefused(int wrong) {
        try (TestDevice device = device()) {
            StoredMatrix stored = StoredMatrix.random(TensorType.F32, 5, 32, 1);
            EmbeddingTable table = device.kernels().prepareEmbedding(stored.whole());
            Tensor guarded = guarded(device, 3, 32);
            Tensor out = guarded.rows(1, 4);
            Tensor ids = device.ints(1, 3, 4, wrong, 0);
            requireRefused(
                    device,
                    () -> device.kernels().embed(table, ids, out),
                    CheckedIndex.EMBEDDED_ID,
                    1,
                    wrong,
                    5);
            requireGuards(device, guarded);
            device.kernels().embed(table, device.ints(1, 3, 4, 1, 0), out);
            device.kernels().synchronize();
            float[] row = new float[32];
            for (int i = 0; i < row.length; i++) {
                row[i] = (float) stored.at(1, i);
            }
            assertArrayEquals(device.stored(row), device.floats(out.rows(1, 2)));
            requireGuards(device, guarded);
        }
    }

    /// Logits are computed of gathered rows.
    @ParameterizedTest
    @ValueSource(ints = {3, -1, Integer.MAX_VALUE, Integer.MIN_VALUE})
    default void aGatheredRowThatDoesNotExistIsRefused(int wrong) {
        try (TestDevice device = device()) {
            Tensor x = device.activations(3, 2, 1, 2, 3, 4, 5, 6);
            Tensor guarded = guarded(device, 2, 2);
            Tensor out = guarded.rows(1, 3);
            Tensor rows = device.ints(1, 2, wrong, 2);
            requireRefused(
                    device,
                    () -> device.kernels().gatherRows(x, rows, out),
                    CheckedIndex.GATHERED_ROW,
                    0,
                    wrong,
                    3);
            requireGuards(device, guarded);
            device.kernels().gatherRows(x, device.ints(1, 2, 2, 0), out);
            assertArrayEquals(new float[] {5, 6, 1, 2}, device.floats(out));
            requireGuards(device, guarded);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {3, -1, Integer.MAX_VALUE, Integer.MIN_VALUE})
    default void aScaledPositionThatHasNoFactorIsRefused(int wrong) {
        try (TestDevice device = device()) {
            Tensor guarded = guarded(device, 2, 2);
            Tensor x = guarded.rows(1, 3);
            Tensor factors = device.tensor(DType.F32, 1, 3, 1, 2, 3);
            Tensor positions = device.ints(1, 2, 0, wrong);
            requireRefused(
                    device,
                    () -> device.kernels().scaleRows(x, factors, positions),
                    CheckedIndex.SCALED_POSITION,
                    1,
                    wrong,
                    3);
            requireGuards(device, guarded);
        }
    }

    @Test
    default void anEntryOfABlockTableThatNamesNoBlockIsRefused() {
        int[] whole = wholeSequence();
        try (TestDevice device = device()) {
            var run = attention(device);
            int blocks = run.kv().blocks();
            run.step(new Chunk(0, 0, 20));
            int sequence = 1;
            for (int wrong : new int[] {0, -1, blocks, Integer.MAX_VALUE, Integer.MIN_VALUE}) {
                // The second entry of the table is wrong, and only a store reads it.
                int stored = sequence++;
                run.table(stored).add(run.takeBlock());
                run.table(stored).add(wrong);
                IndexException refused = refused(device, () -> run.step(new Chunk(stored, 0, 20)));
                assertEquals(CheckedIndex.STORED_BLOCK, refused.checked());
                assertEquals(run.entry(stored, 1), refused.index());
                assertEquals(wrong, refused.value());
                assertEquals(blocks, refused.limit());
                // An earlier block of the sequence is wrong, and attention reads it.
                int read = sequence++;
                run.table(read).add(wrong);
                run.table(read).add(run.takeBlock());
                assertEquals(
                        wrong, refused(device, () -> run.step(new Chunk(read, 16, 3))).value());
            }
            // No block of another sequence was written.
            run.step(new Chunk(0, 20, 20));
            assertArrayEquals(whole, run.outputs(0, 40));
        }
    }

    @Test
    default void aRowThatEndsBeyondItsLineIsRefused() {
        try (TestDevice device = device()) {
            var run = attention(device);
            int room = AttentionRun.COLUMNS * AttentionRun.BLOCK;
            requireRefused(
                    device,
                    () -> run.stepOfLine(3, room),
                    CheckedIndex.PLANNED_LENGTH,
                    0,
                    room + 1,
                    room + 1);
        }
    }

    @Test
    default void rowsThatDoNotHaveTheTokensOfAStepInOrderAreRefused() {
        int[] whole = wholeSequence();
        try (TestDevice device = device()) {
            var run = attention(device);
            run.step(new Chunk(0, 0, 20));
            run.planOfStarts(3, 0, 1, 1, 3);
            device.kernels().synchronize();
            for (int[] starts :
                    List.of(
                            new int[] {0, 1, 2},
                            new int[] {0, 1, 4},
                            new int[] {0, 3, 4},
                            new int[] {1, 2, 3},
                            new int[] {-1, 0, 3},
                            new int[] {0, 2, 1, 3},
                            new int[] {0, Integer.MAX_VALUE, 3},
                            new int[] {0, Integer.MIN_VALUE, 3})) {
                device.requireRefused(() -> run.planOfStarts(3, starts));
            }
            run.step(new Chunk(0, 20, 20));
            assertArrayEquals(whole, run.outputs(0, 40));
        }
    }

    @Test
    default void aPositionBeyondTheRotaryTableIsRefused() {
        int[] whole = wholeSequence();
        try (TestDevice device = device()) {
            var run = attention(device);
            run.step(new Chunk(0, 0, 20));
            int end = AttentionRun.POSITIONS;
            requireRefused(
                    device,
                    () -> run.step(new Chunk(0, 20, 1), new Chunk(1, end, 1)),
                    CheckedIndex.ROTATED_POSITION,
                    1,
                    end,
                    end);
            run.step(new Chunk(0, 20, 20));
            assertArrayEquals(whole, run.outputs(0, 40));
        }
    }

    @Test
    default void aWrongCopyAmongOthersIsRefusedBeforeAnyIsDone() {
        int[] whole = wholeSequence();
        try (TestDevice device = device()) {
            var run = attention(device);
            run.step(new Chunk(0, 0, 20), new Chunk(1, 0, 20));
            BlockCopy right = new BlockCopy(run.table(1).getFirst(), run.table(0).getFirst(), 16);
            int blocks = run.kv().blocks();
            for (BlockCopy wrong :
                    List.of(
                            new BlockCopy(0, 1, 16),
                            new BlockCopy(1, -1, 16),
                            new BlockCopy(blocks, 1, 16),
                            new BlockCopy(1, 2, 17))) {
                device.requireRefused(
                        () -> device.kernels().copyBlocks(run.kv(), List.of(right, wrong)));
            }
            run.step(new Chunk(0, 20, 20));
            assertArrayEquals(whole, run.outputs(0, 40));
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {3, 64, Integer.MAX_VALUE, Integer.MIN_VALUE})
    default void aSampledSlotThatDoesNotExistIsRefused(int wrong) {
        try (TestDevice device = device()) {
            SamplingRun run = sampling(device);
            int[] before = device.ints(run.samples().ids());
            float[][] logits = {{0, 1, 0}, {0, 0, 1}, {1, 0, 0}, {0, 1, 0}};
            requireRefused(
                    device,
                    () -> run.sample(logits, 0, 1, wrong, 0),
                    CheckedIndex.SAMPLED_SLOT,
                    2,
                    wrong,
                    3);
            int[] after = device.ints(run.samples().ids());
            int[] beyond = Arrays.copyOfRange(before, 4, before.length);
            assertArrayEquals(beyond, Arrays.copyOfRange(after, 4, after.length));
            assertArrayEquals(new int[] {1, 2}, run.sample(Arrays.copyOf(logits, 2), 0, 1));
            requireLast(device, run);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {3, Integer.MAX_VALUE, Integer.MIN_VALUE})
    default void aRecordedSlotThatDoesNotExistIsRefused(int wrong) {
        try (TestDevice device = device()) {
            SamplingRun run = sampling(device);
            requireRefused(
                    device,
                    () -> run.record(new int[] {wrong}, new int[] {2}),
                    CheckedIndex.RECORDED_SLOT,
                    0,
                    wrong,
                    3);
            requireLast(device, run);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {3, -1, Integer.MAX_VALUE, Integer.MIN_VALUE})
    default void aRecordedIdOutsideTheVocabularyIsRefused(int wrong) {
        try (TestDevice device = device()) {
            SamplingRun run = sampling(device);
            run.sampler().admit(2, SamplingSettings.greedy(), new int[] {1}, new int[0]);
            requireRefused(
                    device,
                    () -> run.record(new int[] {2}, new int[] {wrong}),
                    CheckedIndex.RECORDED_ID,
                    0,
                    wrong,
                    3);
            requireLast(device, run);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {-4, Integer.MIN_VALUE})
    default void anIdOfASlotThatDoesNotExistIsRefused(int wrong) {
        try (TestDevice device = device()) {
            SamplingRun run = sampling(device);
            Tensor ids = device.ints(1, 5, 9, 8, wrong, 7, 6);
            Tensor inside = ids.columns(1, 4);
            requireRefused(
                    device,
                    () -> run.sampler().resolve(inside),
                    CheckedIndex.RESOLVED_SLOT,
                    1,
                    -1 - wrong,
                    3);
            assertEquals(9, device.ints(ids)[0]);
            assertEquals(6, device.ints(ids)[4]);
            requireLast(device, run);
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {3, -1, Integer.MAX_VALUE, Integer.MIN_VALUE})
    default void aScoredIdOutsideTheVocabularyIsRefused(int wrong) {
        try (TestDevice device = device()) {
            SamplingRun run = sampling(device);
            int[] before = device.ints(run.samples().ids());
            Tensor logits = device.floats(2, 3, 0, 1, 0, 0, 0, 1);
            Tensor targets = device.ints(1, 2, 0, wrong);
            requireRefused(
                    device,
                    () -> run.sampler().score(logits, targets, 2, run.samples().rows(2)),
                    CheckedIndex.SCORED_TARGET,
                    1,
                    wrong,
                    3);
            int[] after = device.ints(run.samples().ids());
            int[] beyond = Arrays.copyOfRange(before, 2, before.length);
            assertArrayEquals(beyond, Arrays.copyOfRange(after, 2, after.length));
            requireLast(device, run);
        }
    }

    @Test
    default void theRefusalNamesOpIndexValueAndLimit() {
        try (TestDevice device = device()) {
            Tensor x = device.zeros(3, 2);
            Tensor rows = device.ints(1, 2, 1, 7);
            Tensor out = device.zeros(2, 2);
            assertEquals(
                    "gatherRows: row 7 at index 1, must be 0 to 2",
                    refused(device, () -> device.kernels().gatherRows(x, rows, out)).getMessage());
        }
    }

    /// Two sequences have sampled and recorded ids 1 and 2; the third slot is empty.
    private static SamplingRun sampling(TestDevice device) {
        var run = new SamplingRun(device, 3, 3);
        for (int slot = 0; slot < 2; slot++) {
            run.sampler().admit(slot, SamplingSettings.greedy(), new int[] {1}, new int[0]);
        }
        run.record(new int[] {0, 1}, new int[] {1, 2});
        return run;
    }

    private static void requireLast(TestDevice device, SamplingRun run) {
        Tensor ids = device.ints(1, 2, -1, -2);
        run.sampler().resolve(ids);
        assertArrayEquals(new int[] {1, 2}, device.ints(ids));
    }

    private static AttentionRun attention(TestDevice device) {
        var shape = new AttentionShape(new int[] {0, 0, 1}, 2, 32, 0.2f);
        return new AttentionRun(device, shape, DType.F32, 1, 5);
    }

    private int[] wholeSequence() {
        try (TestDevice device = device()) {
            AttentionRun run = attention(device);
            run.step(new Chunk(0, 0, 20));
            run.step(new Chunk(0, 20, 20));
            return run.outputs(0, 40);
        }
    }

    private static Tensor guarded(TestDevice device, int rows, int columns) {
        float[] values = new float[(rows + 2) * columns];
        Arrays.fill(values, GUARD);
        return device.activations(rows + 2, columns, values);
    }

    private static void requireGuards(TestDevice device, Tensor guarded) {
        float[] guard = new float[guarded.columns()];
        Arrays.fill(guard, GUARD);
        assertArrayEquals(guard, device.floats(guarded.rows(0, 1)));
        int last = guarded.rows() - 1;
        assertArrayEquals(guard, device.floats(guarded.rows(last, last + 1)));
    }

    private static IndexException refused(TestDevice device, Runnable op) {
        IndexException refused = assertInstanceOf(IndexException.class, device.requireRefused(op));
        // The refusal is thrown once.
        device.kernels().synchronize();
        return refused;
    }

    private static void requireRefused(
            TestDevice device,
            Runnable op,
            CheckedIndex checked,
            long index,
            long value,
            long limit) {
        IndexException refused = refused(device, op);
        assertEquals(checked, refused.checked());
        assertEquals(index, refused.index());
        assertEquals(value, refused.value());
        assertEquals(limit, refused.limit());
    }
}
