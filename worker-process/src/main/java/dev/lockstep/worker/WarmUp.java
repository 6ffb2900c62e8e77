// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.kernels.DType;
import dev.lockstep.kernels.DeviceBuffer;
import dev.lockstep.kernels.Kernels;
import dev.lockstep.kernels.SamplingSettings;
import dev.lockstep.kernels.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/// Runs every shape once before a worker is ready, and measures how many tokens a step may have.
///
/// All ranks run the same steps and use the times that rank 0 measures.
final class WarmUp {
    private static final int SMALLEST_CHUNK = 32;

    /// The position of the far chunk: attention has a measurable cost there, and the measurement is
    /// still short.
    private static final int FAR = 1024;

    /// A step of this part of the goal is long enough to measure.
    private static final int SHORT = 8;

    private final Kernels kernels;
    private final Session session;
    private final int blocks;
    private final Duration goal;

    /// @param blocks number of blocks of a KV pool, the null block included
    WarmUp(Kernels kernels, Session session, int blocks) {
        this.kernels = kernels;
        this.session = session;
        this.blocks = blocks;
        this.goal = kernels.capabilities().stepGoal();
    }

    /// Warms up decode batches of 1, 4, 16 … sequences, then doubles a prefill chunk, both while a
    /// step is short. Returns the number of tokens that take as long as the goal, extrapolated from
    /// the last chunk, at most the session's limit: the scheduler corrects it by its own steps, so
    /// that long ones here would only delay the start.
    StepBudget measure() {
        warm();
        int maxTokens = session.limits().maxTokens();
        int chunk = Math.min(SMALLEST_CHUNK, maxTokens);
        long nanos = fromRankZero(prefill(chunk));
        while (chunk < maxTokens && isShort(nanos)) {
            chunk = Math.min(2 * chunk, maxTokens);
            nanos = fromRankZero(prefill(chunk));
        }
        // Measured twice: a short load of other processes must not decide for the whole run.
        nanos = Math.min(nanos, fromRankZero(prefill(chunk)));
        int doublingPosition = doublingPosition(chunk, nanos);
        int tokens = budget(goal, chunk, nanos, doublingPosition, maxTokens);
        int block = session.limits().blockSize();
        return new StepBudget(
                tokens <= block ? tokens : tokens / block * block, doublingPosition, maxTokens);
    }

    /// Returns the tokens of a step: as many as take the goal, never fewer than were measured.
    static int budget(Duration goal, int chunk, long nanos, int doublingPosition, int maxTokens) {
        return Math.min(maxTokens, Math.max(chunk, within(goal, chunk, nanos, doublingPosition)));
    }

    /// Returns the number of tokens that take as long as the goal if `chunk` tokens take `nanos`,
    /// at most the largest int. Each attends to all preceding ones: n tokens cost n · (1 + n / 2d).
    static int within(Duration goal, int chunk, long nanos, int doublingPosition) {
        double times = (double) goal.toNanos() / nanos;
        if (doublingPosition == 0) {
            return (int) (chunk * times);
        }
        double d = doublingPosition;
        double cost = times * chunk * (1 + chunk / (2 * d));
        return (int) (d * (Math.sqrt(1 + 2 * cost / d) - 1));
    }

    /// Compares the time of a chunk at the beginning of a sequence with that of a far one: time
    /// grows with the number of positions that a token attends to. An encoder has no far ones.
    ///
    /// @param nanos of a chunk of `measured` tokens at the beginning
    private int doublingPosition(int measured, long nanos) {
        if (session.isOfEncoder()) {
            return 0;
        }
        SessionLimits limits = session.limits();
        int count = Math.min(SMALLEST_CHUNK, Math.min(limits.maxTokens(), limits.maxPositions()));
        int far = Math.min(FAR, limits.maxPositions() - count);
        if (far < count) {
            return 0;
        }
        // Both are the shorter of two runs, as the measured chunk's time is.
        long near =
                measured == count ? nanos : fromRankZero(Math.min(prefill(count), prefill(count)));
        long deep = fromRankZero(Math.min(run(far, count), run(far, count)));
        return deep <= near ? 0 : (int) Math.min(Integer.MAX_VALUE, far * near / (deep - near));
    }

    /// Returns the time of one step with a chunk of `count` tokens after `computed` positions.
    private long run(int computed, int count) {
        return run(List.of(count), computed);
    }

    /// Warms up decode batches, up to one that takes long.
    void warm() {
        int maxRows = Math.min(session.limits().maxSequences(), session.limits().maxTokens());
        int rows = 1;
        // The first step links code and touches memory: its time says nothing.
        decode(rows);
        while (isShort(fromRankZero(decode(rows))) && rows < maxRows) {
            rows = Math.min(4 * rows, maxRows);
        }
    }

    private boolean isShort(long nanos) {
        return SHORT * nanos <= goal.toNanos();
    }

    /// Runs the step of the most rows and tokens, and the decode step of the most rows.
    void largest() {
        SessionLimits limits = session.limits();
        int maxRows = Math.min(limits.maxSequences(), limits.maxTokens());
        List<Integer> counts = new ArrayList<>();
        for (int row = 0, remaining = limits.maxTokens(); row < maxRows; row++) {
            int count = Math.min(remaining / (maxRows - row), limits.maxPositions());
            counts.add(count);
            remaining -= count;
        }
        run(counts, 0);
        decode(maxRows);
    }

    /// Returns the time of one step that prefills `tokens`, in rows of at most a sequence's length.
    private long prefill(int tokens) {
        List<Integer> counts = new ArrayList<>();
        for (int remaining = tokens;
                remaining > 0 && counts.size() < session.limits().maxSequences(); ) {
            int count = Math.min(remaining, session.limits().maxPositions());
            counts.add(count);
            remaining -= count;
        }
        return run(counts, 0);
    }

    private long decode(int rows) {
        List<Integer> counts = new ArrayList<>();
        for (int i = 0; i < rows; i++) {
            counts.add(1);
        }
        return run(counts, 0);
    }

    /// Runs one step with a row for each count, and returns its time.
    ///
    /// @param computed positions that precede each row
    private long run(List<Integer> counts, int computed) {
        List<Step.Admission> admissions = new ArrayList<>();
        List<Step.Row> rows = new ArrayList<>();
        int[] used = new int[counts.size()];
        for (int slot = 0; slot < counts.size(); slot++) {
            int count = counts.get(slot);
            admissions.add(
                    new Step.Admission(
                            "warm-up",
                            slot,
                            new int[computed + count],
                            new int[0],
                            SamplingSettings.greedy(),
                            computed,
                            OutputSettings.NONE,
                            session.generates(),
                            session.isOfEncoder()));
            rows.add(new Step.Row(slot, computed, count, table(computed + count), List.of()));
            used[slot] = slot;
        }
        long nanos =
                session.execute(
                                new Step(
                                        session.epoch(),
                                        0,
                                        new int[0],
                                        admissions,
                                        List.of(),
                                        rows))
                        .computeNanos();
        session.execute(new Step(session.epoch(), 0, used, List.of(), List.of(), List.of()));
        return nanos;
    }

    /// Returns the block table of a row. Rows share blocks, because their content is never read.
    private List<int[]> table(int tokens) {
        if (session.isOfEncoder()) {
            return List.of();
        }
        int[] table = new int[Math.ceilDiv(tokens, session.limits().blockSize())];
        for (int i = 0; i < table.length; i++) {
            table[i] = 1 + i % (blocks - 1);
        }
        return Collections.nCopies(session.kvGroups(), table);
    }

    /// Returns the time of rank 0 on every rank, at least 1.
    private long fromRankZero(long nanos) {
        long value = Math.max(1, nanos);
        if (session.communicator().size() == 1) {
            return value;
        }
        try (DeviceBuffer buffer = kernels.allocate(2L * Integer.BYTES);
                Arena arena = Arena.ofConfined()) {
            Tensor tensor = buffer.tensor(0, DType.I32, 1, 2);
            MemorySegment host = arena.allocate(ValueLayout.JAVA_LONG);
            host.set(ValueLayout.JAVA_LONG, 0, value);
            kernels.copyToDevice(host, tensor);
            session.communicator().broadcast(tensor, 0);
            kernels.copyToHost(tensor, host);
            return host.get(ValueLayout.JAVA_LONG, 0);
        }
    }
}
