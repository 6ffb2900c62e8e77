// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.PagedBatch;
import dev.lockstep.kernels.SamplingSettings;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.cpu.CpuKernels;
import dev.lockstep.kernels.cpu.CpuOptions;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class BatchBuilderTest {
    private static final SessionLimits LIMITS = new SessionLimits(64, 4, 64, 16);
    private static final int KV_GROUPS = 2;
    private static final int[] NONE = {};
    private static final OutputSettings LOGPROBS =
            new OutputSettings(0, true, 0, false, OutputSettings.Pooling.NONE);

    private final SlotTable slots = new SlotTable(4);
    private Kernels kernels;
    private BatchBuilder builder;

    @BeforeEach
    void open() {
        kernels = CpuKernels.open(CpuOptions.ofThreads(1).withoutSpinning());
        builder = new BatchBuilder(kernels, KV_GROUPS, LIMITS);
    }

    @AfterEach
    void close() {
        builder.close();
        kernels.close();
    }

    private void admit(int slot, int... prompt) {
        slots.put(
                slot,
                new Slot(
                        new Step.Admission("r", slot, prompt, NONE, SamplingSettings.greedy(), 0),
                        KV_GROUPS));
    }

    private void admit(int slot, OutputSettings outputs, boolean withoutKv, int... prompt) {
        slots.put(
                slot,
                new Slot(
                        new Step.Admission(
                                "r",
                                slot,
                                prompt,
                                NONE,
                                SamplingSettings.greedy(),
                                0,
                                outputs,
                                false,
                                withoutKv),
                        KV_GROUPS));
    }

    /// Advances the slots and builds the batch, as a session does.
    private BatchBuilder.Batch build(Step.Row... rows) {
        return build(builder, rows);
    }

    private BatchBuilder.Batch build(BatchBuilder used, Step.Row... rows) {
        for (Step.Row row : rows) {
            slots.at(row.slot()).advance(row, LIMITS);
        }
        return used.build(List.of(rows), slots);
    }

    private static Step.Row row(int slot, int computed, int count, int[] first, int[] second) {
        return new Step.Row(slot, computed, count, List.of(first, second), List.of());
    }

    private int[] read(Tensor tensor) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment host = arena.allocate(Math.max(4, tensor.bytes()), 8);
            MemorySegment exact = host.asSlice(0, tensor.bytes());
            kernels.copyToHost(tensor, exact);
            return exact.toArray(ValueLayout.JAVA_INT);
        }
    }

    /// Requires the lines of the batch's rows to begin with these blocks.
    private void requireLines(PagedBatch batch, int[]... expected) {
        int[] all = read(batch.blockTable());
        int[] lines = read(batch.lines());
        assertEquals(expected.length, batch.rows());
        for (int row = 0; row < batch.rows(); row++) {
            int from = lines[row] * batch.blockTable().columns();
            assertArrayEquals(
                    expected[row], Arrays.copyOfRange(all, from, from + expected[row].length));
        }
    }

    @Test
    void chunksAndDecodeRowsAreConsecutive() {
        admit(2, 50, 51, 52);
        build(row(2, 0, 3, new int[] {7}, new int[] {8}));
        int[] prompt = new int[40];
        for (int i = 0; i < prompt.length; i++) {
            prompt[i] = 100 + i;
        }
        admit(0, prompt);
        admit(3, 60, 61);
        BatchBuilder.Batch batch =
                build(
                        row(0, 0, 4, new int[] {1, 2, 3}, new int[] {4}),
                        row(2, 3, 1, NONE, NONE),
                        row(3, 0, 2, new int[] {5}, new int[] {6, 9}));

        assertEquals(7, batch.forward().tokens());
        // The decode row's id is known to the device only: -1 - slot.
        assertArrayEquals(new int[] {100, 101, 102, 103, -3, 60, 61}, read(batch.forward().ids()));
        assertArrayEquals(new int[] {0, 1, 2, 3, 3, 0, 1}, read(batch.forward().positions()));
        // The chunk of slot 0 does not reach its end and samples nothing.
        assertArrayEquals(new int[] {4, 6}, read(batch.forward().logitRows()));
        assertArrayEquals(new int[] {2, 3}, read(batch.logitSlots()));
        assertArrayEquals(new int[] {2, 3}, batch.samplingSlots());
        for (PagedBatch paged : batch.forward().kv()) {
            assertEquals(3, paged.rows());
            assertEquals(7, paged.tokens());
            assertArrayEquals(new int[] {0, 4, 5, 7}, read(paged.rowStarts()));
            assertArrayEquals(new int[] {0, 3, 0}, read(paged.computed()));
        }
    }

    @Test
    void everyKvGroupHasItsTableWithALineForEachSlot() {
        admit(3, 1, 2, 3);
        admit(1, 4, 5);
        BatchBuilder.Batch batch =
                build(
                        row(3, 0, 3, new int[] {11, 12, 13}, new int[] {21}),
                        row(1, 0, 2, new int[] {14}, new int[] {22, 23}));
        PagedBatch first = batch.forward().kv().get(0);
        PagedBatch second = batch.forward().kv().get(1);
        assertArrayEquals(new int[] {3, 1}, read(first.lines()));
        assertArrayEquals(new int[] {3, 1}, read(second.lines()));
        assertEquals(4, first.blockTable().rows());
        assertEquals(4, first.blockTable().columns(), "64 positions in blocks of 16");
        requireLines(first, new int[] {11, 12, 13}, new int[] {14});
        requireLines(second, new int[] {21}, new int[] {22, 23});
    }

    @Test
    void aLineKeepsItsEntriesAndGetsOnlyNewOnes() {
        admit(0, new int[40]);
        admit(1, 4, 5);
        PagedBatch table =
                build(row(0, 0, 16, new int[] {11}, new int[] {21})).forward().kv().get(0);
        build(row(1, 0, 2, new int[] {12}, new int[] {22, 23}));
        BatchBuilder.Batch batch =
                build(
                        row(0, 16, 17, new int[] {13, 14}, new int[] {24, 25}),
                        row(1, 2, 1, NONE, NONE));
        assertEquals(table.blockTable(), batch.forward().kv().get(0).blockTable());
        requireLines(batch.forward().kv().get(0), new int[] {11, 13, 14}, new int[] {12});
        requireLines(batch.forward().kv().get(1), new int[] {21, 24, 25}, new int[] {22, 23});
    }

    @Test
    void aSlotThatIsUsedAgainWritesItsLineFromTheBeginning() {
        admit(2, new int[64]);
        int[] full = {91, 92, 93, 94};
        build(row(2, 0, 64, full, full));
        slots.clear(2);
        admit(2, 1, 2);
        BatchBuilder.Batch batch = build(row(2, 0, 2, new int[] {5}, new int[] {6, 7}));
        requireLines(batch.forward().kv().get(0), new int[] {5});
        requireLines(batch.forward().kv().get(1), new int[] {6, 7});
    }

    @Test
    void moreNewBlocksThanTheStepHasTokensAreAllWritten() {
        var limits = new SessionLimits(8, 4, 4096, 16);
        int perSlot = 250;
        try (var small = new BatchBuilder(kernels, KV_GROUPS, limits)) {
            List<Step.Row> rows = new ArrayList<>();
            for (int slot = 0; slot < 4; slot++) {
                int computed = (perSlot - 1) * 16;
                slots.put(
                        slot,
                        new Slot(
                                new Step.Admission(
                                        "r",
                                        slot,
                                        new int[computed + 1],
                                        NONE,
                                        SamplingSettings.greedy(),
                                        computed),
                                KV_GROUPS));
                rows.add(row(slot, computed, 1, blocks(slot, perSlot), blocks(9 + slot, perSlot)));
                slots.at(slot).advance(rows.getLast(), limits);
            }
            BatchBuilder.Batch batch = small.build(rows, slots);
            for (int group = 0; group < KV_GROUPS; group++) {
                requireLines(
                        batch.forward().kv().get(group),
                        blocks(9 * group, perSlot),
                        blocks(9 * group + 1, perSlot),
                        blocks(9 * group + 2, perSlot),
                        blocks(9 * group + 3, perSlot));
            }
            assertArrayEquals(
                    new int[] {0, 1, 2, 3, 4}, read(batch.forward().kv().getFirst().rowStarts()));
        }
    }

    private static int[] blocks(int sequence, int count) {
        int[] blocks = new int[count];
        Arrays.setAll(blocks, i -> 1000 * sequence + i);
        return blocks;
    }

    @Test
    void aSequenceOfMoreBlocksThanItsPositionsNeedIsRefused() {
        admit(0, 1, 2);
        admit(1, 3, 4);
        IllegalArgumentException refusal =
                assertThrows(
                        IllegalArgumentException.class,
                        () -> build(row(0, 0, 2, new int[] {1, 2, 3, 4, 5}, new int[] {1})));
        assertTrue((refusal.getMessage() + "").contains("slot 0: 5 blocks in KV group 0"));
    }

    @Test
    void everyArrayHasTheSameAddressInEverySmallStepAndInEveryLargeOne() {
        Map<String, Long> first = new HashMap<>();
        for (int count : new int[] {1, 16, 5, 32}) {
            admit(0, LOGPROBS, true, new int[count]);
            admit(1, new int[count]);
            admit(2, new int[64]);
            build(row(2, 0, 1, blocks(2, count % 3 + 1), blocks(2, 1)));
            BatchBuilder.Batch batch =
                    build(
                            row(0, 0, count, NONE, NONE),
                            row(1, 0, count, blocks(1, 2), blocks(1, 4)));
            String kind = count < 16 ? "small step, " : "large step, ";
            addresses(batch)
                    .forEach(
                            (name, address) -> {
                                Long before = first.putIfAbsent(kind + name, address);
                                assertTrue(before == null || before.equals(address), kind + name);
                            });
            for (int slot = 0; slot < 3; slot++) {
                slots.clear(slot);
            }
        }
        assertEquals(2 * (6 + 4 * (KV_GROUPS + 1)), first.size());
    }

    private static Map<String, Long> addresses(BatchBuilder.Batch batch) {
        Map<String, Tensor> tensors = new HashMap<>();
        tensors.put("ids", batch.forward().ids());
        tensors.put("positions", batch.forward().positions());
        tensors.put("logit rows", batch.forward().logitRows());
        tensors.put("logit slots", batch.logitSlots());
        tensors.put("scored rows", batch.scored().rows());
        tensors.put("scored targets", batch.scored().targets());
        List<PagedBatch> batches = new ArrayList<>(batch.forward().kv());
        batches.add(batch.forward().withoutKv().orElseThrow());
        for (int i = 0; i < batches.size(); i++) {
            tensors.put("starts " + i, batches.get(i).rowStarts());
            tensors.put("computed " + i, batches.get(i).computed());
            tensors.put("lines " + i, batches.get(i).lines());
            tensors.put("table " + i, batches.get(i).blockTable());
        }
        Map<String, Long> addresses = new HashMap<>();
        tensors.forEach((name, tensor) -> addresses.put(name, tensor.pointer().address()));
        return addresses;
    }

    @Test
    void aBatchThatSamplesNothingHasNoLogitRows() {
        admit(1, 1, 2, 3, 4);
        BatchBuilder.Batch batch = build(row(1, 0, 2, new int[] {1}, new int[] {1}));
        assertEquals(0, batch.forward().logitRows().columns());
        assertEquals(0, batch.samplingSlots().length);
    }

    @Test
    void theLargestBatchFitsAndTheNextOneStartsEmpty() {
        for (int round = 0; round < 2; round++) {
            List<Step.Row> rows = new ArrayList<>();
            for (int slot = 0; slot < 4; slot++) {
                admit(slot, new int[16]);
                int[] full = {1, 2, 3, 4};
                rows.add(row(slot, 0, 16, full, full));
            }
            BatchBuilder.Batch batch = build(rows.toArray(Step.Row[]::new));
            assertEquals(64, batch.forward().tokens());
            assertArrayEquals(new int[] {15, 31, 47, 63}, read(batch.forward().logitRows()));
            for (int slot = 0; slot < 4; slot++) {
                slots.clear(slot);
            }
        }
    }

    @Test
    void rowsWithoutKvComeLastAndNumberBlocksOfTheStep() {
        admit(0, OutputSettings.NONE, true, new int[17]);
        admit(1, 1, 2, 3);
        admit(2, OutputSettings.NONE, true, new int[33]);
        admit(3, OutputSettings.NONE, true, 9);
        BatchBuilder.Batch batch =
                build(
                        row(0, 0, 17, NONE, NONE),
                        row(1, 0, 3, new int[] {11, 12, 13}, new int[] {21}),
                        row(2, 0, 33, NONE, NONE),
                        row(3, 0, 1, NONE, NONE));
        assertEquals(1, batch.forward().kv().getFirst().rows());
        assertArrayEquals(new int[] {0, 3}, read(batch.forward().kv().getFirst().rowStarts()));
        requireLines(batch.forward().kv().getFirst(), new int[] {11, 12, 13});
        PagedBatch without = batch.forward().withoutKv().orElseThrow();
        assertEquals(3, without.rows());
        assertEquals(51, without.tokens());
        assertArrayEquals(new int[] {0, 17, 50, 51}, read(without.rowStarts()));
        assertArrayEquals(new int[] {0, 0, 0}, read(without.computed()));
        assertArrayEquals(new int[] {0, 2, 3}, read(without.lines()));
        requireLines(without, new int[] {1, 2}, new int[] {3, 4, 5}, new int[] {6});
    }

    @Test
    void aStepOfOnlyRowsWithoutKvHasEmptyTablesForKvGroups() {
        admit(0, OutputSettings.NONE, true, 5, 6);
        BatchBuilder.Batch batch = build(row(0, 0, 2, NONE, NONE));
        for (PagedBatch paged : batch.forward().kv()) {
            assertEquals(0, paged.rows());
            assertEquals(0, paged.tokens());
            assertArrayEquals(new int[] {0}, read(paged.rowStarts()));
        }
        PagedBatch without = batch.forward().withoutKv().orElseThrow();
        requireLines(without, new int[] {1});
    }

    @Test
    void positionsToScoreHaveTheFollowingTokensAsTargets() {
        admit(
                1,
                new OutputSettings(1, true, 0, false, OutputSettings.Pooling.NONE),
                false,
                40,
                41,
                42,
                43);
        admit(2, 50, 51);
        admit(3, LOGPROBS, true, 60, 61, 62);
        BatchBuilder.Batch batch =
                build(
                        row(3, 0, 3, NONE, NONE),
                        row(1, 0, 4, new int[] {1}, new int[] {2}),
                        row(2, 0, 2, new int[] {3}, new int[] {4}));
        // Slot 1 is first, from position 1 on; slot 3, without KV, follows slot 2.
        assertArrayEquals(new int[] {1, 2, 6, 7}, read(batch.scored().rows()));
        assertArrayEquals(new int[] {42, 43, 61, 62}, read(batch.scored().targets()));
        assertArrayEquals(new int[] {1, 1, 3, 3}, batch.scored().slots());
    }

    /// Of a prompt of 40 tokens the first two blocks are whole spans.
    @Test
    void aRowThatEndsBehindTheSpansOfItsPromptIsTwo() {
        var limits = new SessionLimits(64, 4, 64, 16, 16);
        try (var spans = new BatchBuilder(kernels, KV_GROUPS, limits)) {
            int[] prompt = new int[40];
            Arrays.setAll(prompt, i -> 100 + i);
            admit(1, 7, 8);
            admit(0, LOGPROBS, false, prompt);
            BatchBuilder.Batch batch =
                    build(
                            spans,
                            row(1, 0, 2, new int[] {9}, new int[] {9}),
                            row(0, 0, 39, new int[] {1, 2, 3}, new int[] {4, 5, 6}));
            PagedBatch kept = batch.forward().kv().getFirst();
            assertEquals(3, kept.rows());
            assertEquals(1, kept.expandedRows());
            assertEquals(32, kept.expandedTokens());
            assertArrayEquals(new int[] {0, 32, 34, 41}, read(kept.rowStarts()));
            assertArrayEquals(new int[] {0, 0, 32}, read(kept.computed()));
            assertArrayEquals(new int[] {0, 1, 0}, read(kept.lines()));
            requireLines(kept, new int[] {1, 2, 3}, new int[] {9}, new int[] {1, 2, 3});
            int[] ids = read(batch.forward().ids());
            assertEquals(131, ids[31]);
            assertEquals(7, ids[32]);
            assertEquals(132, ids[34]);
            assertArrayEquals(new int[] {33}, read(batch.forward().logitRows()));
            // The ids after positions 0 to 38, in the order of the tokens.
            int[] scored = read(batch.scored().rows());
            assertEquals(39, scored.length);
            assertEquals(31, scored[31]);
            assertEquals(34, scored[32]);
            assertEquals(133, read(batch.scored().targets())[32]);
            BatchBuilder.Batch last = build(spans, row(0, 39, 1, NONE, NONE));
            assertEquals(0, last.forward().kv().getFirst().expandedRows());
        }
    }

    @Test
    void aRowWithoutKvHasItsBlocksInBothParts() {
        var limits = new SessionLimits(64, 4, 64, 16, 16);
        try (var spans = new BatchBuilder(kernels, KV_GROUPS, limits)) {
            admit(2, LOGPROBS, true, new int[20]);
            admit(3, LOGPROBS, true, new int[10]);
            BatchBuilder.Batch batch =
                    build(
                            spans,
                            new Step.Row(3, 0, 10, List.of(), List.of()),
                            new Step.Row(2, 0, 20, List.of(), List.of()));
            PagedBatch without = batch.forward().withoutKv().orElseThrow();
            assertEquals(16, without.expandedTokens());
            assertArrayEquals(new int[] {2, 3, 2}, read(without.lines()));
            assertArrayEquals(new int[] {0, 0, 16}, read(without.computed()));
            requireLines(without, new int[] {1, 3}, new int[] {2}, new int[] {1, 3});
        }
    }
}
