// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.PagedBatch;
import dev.lockstep.kernels.SamplingSettings;
import dev.lockstep.kernels.Tensor;
import dev.lockstep.kernels.cpu.CpuKernels;
import dev.lockstep.kernels.cpu.CpuOptions;
import dev.lockstep.kernels.cpu.ReusedMemory;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// A row finds the blocks of its own sequence in its line and those of no other, whatever was
/// admitted and released before.
///
/// Random steps are built from a seed. Before each, what no running sequence has in the tables is
/// overwritten; after it, the entries that each row reads are compared with what the sequence was
/// given.
class BlockTablesTest {
    private static final int STEPS = 1500;
    private static final int SLOTS = 6;
    private static final int KV_GROUPS = 3;
    private static final int BLOCK = 16;
    private static final int MAX_TOKENS = 40;
    private static final int MAX_POSITIONS = 300;
    private static final int GUARD = 0x7fc0_dead;
    private static final int[] NONE = {};
    private static final SessionLimits LIMITS =
            new SessionLimits(MAX_TOKENS, SLOTS, MAX_POSITIONS, BLOCK);

    private final SlotTable slots = new SlotTable(SLOTS);
    private final Map<Integer, Running> running = new TreeMap<>();
    private int nextBlock = 1;

    /// A sequence as the scheduler knows it.
    private static final class Running {
        private final int length;
        private int computed;
        private final List<List<Integer>> blocks = new ArrayList<>();

        Running(int length, int computed) {
            this.length = length;
            this.computed = computed;
            for (int group = 0; group < KV_GROUPS; group++) {
                blocks.add(new ArrayList<>());
            }
        }
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4})
    void aRowReadsTheBlocksOfItsOwnSequence(long seed) {
        var random = new Random(seed);
        try (Kernels kernels = CpuKernels.open(CpuOptions.ofThreads(1).withoutSpinning());
                var builder = new BatchBuilder(kernels, KV_GROUPS, LIMITS)) {
            for (int step = 0; step < STEPS; step++) {
                releaseSome(random);
                List<Step.Row> rows = rows(random);
                if (rows.isEmpty()) {
                    continue;
                }
                overwriteUnused(builder.tables());
                rows.forEach(row -> slots.at(row.slot()).advance(row, LIMITS));
                requireBlocks(kernels, builder.build(rows, slots));
            }
        }
    }

    private void releaseSome(Random random) {
        for (int slot = 0; slot < SLOTS; slot++) {
            Running sequence = running.get(slot);
            if (sequence != null
                    && (sequence.computed == MAX_POSITIONS || random.nextInt(12) == 0)) {
                slots.clear(slot);
                running.remove(slot);
            }
        }
    }

    /// Returns rows of some slots, in any order; free slots get a sequence first.
    private List<Step.Row> rows(Random random) {
        List<Step.Row> rows = new ArrayList<>();
        int[] order = random.ints(0, SLOTS).distinct().limit(SLOTS).toArray();
        int left = MAX_TOKENS;
        for (int slot : order) {
            if (left == 0 || random.nextInt(3) == 0) {
                continue;
            }
            if (!running.containsKey(slot)) {
                if (random.nextInt(5) == 0) {
                    int count = 1 + random.nextInt(left);
                    admit(slot, count, 0, true);
                    rows.add(new Step.Row(slot, 0, count, List.of(), List.of()));
                    left -= count;
                    continue;
                }
                int length = 1 + random.nextInt(MAX_POSITIONS);
                int cached = random.nextBoolean() ? 0 : random.nextInt(length) / BLOCK * BLOCK;
                admit(slot, length, cached, false);
                running.put(slot, new Running(length, cached));
            }
            if (slots.at(slot).withoutKv()) {
                continue;
            }
            Step.Row row = row(slot, running.get(slot), left, random);
            rows.add(row);
            left -= row.count();
        }
        return rows;
    }

    private void admit(int slot, int length, int cached, boolean withoutKv) {
        slots.put(
                slot,
                new Slot(
                        new Step.Admission(
                                "r",
                                slot,
                                new int[length],
                                NONE,
                                SamplingSettings.greedy(),
                                cached,
                                OutputSettings.NONE,
                                !withoutKv,
                                withoutKv),
                        KV_GROUPS));
    }

    private Step.Row row(int slot, Running sequence, int left, Random random) {
        int known = Math.max(1, sequence.length - sequence.computed);
        int count = Math.min(known, 1 + random.nextInt(left));
        int end = sequence.computed + count;
        List<int[]> added = new ArrayList<>();
        for (int group = 0; group < KV_GROUPS; group++) {
            List<Integer> blocks = sequence.blocks.get(group);
            int before = blocks.size();
            // Some sequences get their blocks ahead of time; in a window the first are null blocks.
            int ahead = random.nextInt(4) == 0 ? 1 : 0;
            int most = Math.ceilDiv(MAX_POSITIONS, BLOCK);
            while (blocks.size() < Math.min(most, Math.ceilDiv(end, BLOCK) + ahead)) {
                boolean passed =
                        group == 2 && (blocks.size() + 1) * BLOCK <= sequence.computed - 20;
                blocks.add(passed ? 0 : nextBlock++);
            }
            added.add(
                    blocks.subList(before, blocks.size()).stream()
                            .mapToInt(Integer::intValue)
                            .toArray());
        }
        var row = new Step.Row(slot, sequence.computed, count, added, List.of());
        sequence.computed = end;
        return row;
    }

    private void overwriteUnused(BlockTables tables) {
        for (int group = 0; group < KV_GROUPS; group++) {
            Tensor table = tables.ofGroup(group);
            for (int slot = 0; slot < SLOTS; slot++) {
                Running sequence = running.get(slot);
                int used = sequence == null ? 0 : slots.at(slot).blockCount(group);
                ReusedMemory.fill(table.rows(slot, slot + 1).columns(used, table.columns()), GUARD);
            }
        }
        ReusedMemory.fill(tables.withoutKv(), GUARD);
    }

    private void requireBlocks(Kernels kernels, BatchBuilder.Batch batch) {
        for (int group = 0; group < KV_GROUPS; group++) {
            PagedBatch paged = batch.forward().kv().get(group);
            int[] lines = ints(kernels, paged.lines());
            for (int line : lines) {
                Running sequence = Objects.requireNonNull(running.get(line));
                List<Integer> expected = sequence.blocks.get(group);
                int[] actual = ints(kernels, paged.blockTable().rows(line, line + 1));
                assertEquals(
                        expected, Arrays.stream(actual).limit(expected.size()).boxed().toList());
            }
        }
        batch.forward().withoutKv().ifPresent(paged -> requireNumbered(kernels, paged));
        for (BatchBuilder.Placed placed : batch.rows()) {
            int slot = placed.row().slot();
            if (slots.at(slot).withoutKv()) {
                slots.clear(slot);
            }
        }
    }

    /// Requires the blocks of rows without KV to be 1, 2, 3 …, row after row.
    private static void requireNumbered(Kernels kernels, PagedBatch paged) {
        int[] lines = ints(kernels, paged.lines());
        int[] starts = ints(kernels, paged.rowStarts());
        int next = 1;
        for (int r = 0; r < lines.length; r++) {
            int count = Math.ceilDiv(starts[r + 1] - starts[r], BLOCK);
            int[] expected = new int[count];
            for (int i = 0; i < count; i++) {
                expected[i] = next++;
            }
            Tensor line = paged.blockTable().rows(lines[r], lines[r] + 1);
            assertArrayEquals(expected, ints(kernels, line.columns(0, count)));
        }
    }

    private static int[] ints(Kernels kernels, Tensor tensor) {
        int[] values = new int[(int) tensor.elements()];
        kernels.copyToHost(tensor, MemorySegment.ofArray(values));
        return values;
    }
}
