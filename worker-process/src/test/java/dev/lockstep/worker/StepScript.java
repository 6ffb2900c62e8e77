// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.cluster.BlockHash;
import dev.lockstep.kernels.SamplingSettings;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Random steps of an epoch on the tiny model: sequences join, prefill in chunks, decode, request
/// outputs, are released, and their slots and blocks are assigned again in the same step. Slot s
/// has the blocks from 1 + 4s on.
final class StepScript {
    private static final int SLOTS = TestWorker.MAX_SEQUENCES;
    private static final int BLOCKS_PER_SLOT = 4;
    private static final int SIZE = WorkerConfig.BLOCK_SIZE;
    private static final int VOCABULARY = 400;

    private final Random random;
    private final long epoch;
    private final @Nullable Running[] slots = new @Nullable Running[SLOTS];
    private final List<Set<Integer>> written = new ArrayList<>();

    private static final class Running {
        final int known;
        int computed;
        int blocks;
        int named;

        Running(int known) {
            this.known = known;
        }
    }

    private StepScript(Random random, long epoch) {
        this.random = random;
        this.epoch = epoch;
    }

    /// Steps of an epoch, and the blocks that each writes.
    record Steps(List<Step> all, List<Set<Integer>> written) {}

    static Steps random(Random random, long epoch, int count) {
        var script = new StepScript(random, epoch);
        List<Step> steps = new ArrayList<>();
        for (int number = 1; number <= count; number++) {
            steps.add(script.step(number));
        }
        return new Steps(steps, script.written);
    }

    private Step step(long number) {
        List<Integer> released = new ArrayList<>();
        List<Step.Admission> admitted = new ArrayList<>();
        List<Step.Row> rows = new ArrayList<>();
        written.add(new HashSet<>());
        int room = TestWorker.MAX_TOKENS;
        for (int slot = 0; slot < SLOTS; slot++) {
            Running running = slots[slot];
            boolean full = running != null && running.computed + 1 > BLOCKS_PER_SLOT * SIZE;
            if (running != null && (full || random.nextInt(8) == 0)) {
                released.add(slot);
                running = null;
            }
            if (running == null && random.nextInt(3) == 0) {
                Step.Admission admission = admission(slot);
                admitted.add(admission);
                running = new Running(admission.promptIds().length + admission.outputIds().length);
            }
            slots[slot] = running;
            if (running != null && room > 0 && random.nextInt(5) > 0) {
                Step.Row row = row(slot, running, room);
                rows.add(row);
                room -= row.count();
            }
        }
        return new Step(
                epoch,
                number,
                released.stream().mapToInt(Integer::intValue).toArray(),
                admitted,
                List.of(),
                rows);
    }

    private Step.Admission admission(int slot) {
        int[] prompt = ids(1 + random.nextInt(40));
        int[] outputs = random.nextInt(4) == 0 ? ids(1 + random.nextInt(5)) : new int[0];
        SamplingSettings settings =
                random.nextBoolean()
                        ? TestWorker.seeded(random.nextLong())
                        : SamplingSettings.greedy();
        Step.Admission admission = TestWorker.admission(slot, prompt, outputs, settings);
        return switch (random.nextInt(10)) {
            case 0 -> admission.with(settings, outputs(true, OutputSettings.Pooling.NONE));
            case 1 -> admission.with(settings, outputs(false, OutputSettings.Pooling.MEAN));
            default -> admission;
        };
    }

    private static OutputSettings outputs(boolean logprobs, OutputSettings.Pooling pooling) {
        return new OutputSettings(0, logprobs, logprobs ? 2 : 0, false, pooling);
    }

    private int[] ids(int count) {
        return random.ints(count, 0, VOCABULARY).toArray();
    }

    private Step.Row row(int slot, Running running, int room) {
        int missing = Math.max(1, running.known - running.computed);
        int count = 1 + random.nextInt(Math.min(missing, room));
        int first = running.computed;
        int end = first + count;
        int blocks = Math.ceilDiv(end, SIZE);
        int[] added = new int[blocks - running.blocks];
        for (int i = 0; i < added.length; i++) {
            added[i] = block(slot, running.blocks + i);
        }
        for (int i = first / SIZE; i < blocks; i++) {
            written.getLast().add(block(slot, i));
        }
        List<BlockHash> names = new ArrayList<>();
        while (running.named < end / SIZE) {
            names.add(new BlockHash(random.nextLong(), random.nextLong()));
            running.named++;
        }
        running.blocks = blocks;
        running.computed = end;
        return new Step.Row(slot, first, count, List.of(added), names);
    }

    private static int block(int slot, int index) {
        return 1 + BLOCKS_PER_SLOT * slot + index;
    }
}
