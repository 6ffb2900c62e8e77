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

/// Runs every shape once before a worker is ready, and measures how many tokens a step may hold.
///
/// All ranks run the same steps; what rank 0 measured decides for all.
final class WarmUp {
    /// A step should end within this, so that decoding sequences wait no longer for somebody's
    /// prefill.
    static final Duration STEP_GOAL = Duration.ofMillis(250);

    private static final int SMALLEST_CHUNK = 32;

    /// Far enough that attention shows, near enough that a start does not wait for it.
    private static final int FAR = 1024;

    private final Kernels kernels;
    private final Session session;
    private final int blocks;

    /// @param blocks of the smallest KV group, the null block included
    WarmUp(Kernels kernels, Session session, int blocks) {
        this.kernels = kernels;
        this.session = session;
        this.blocks = blocks;
    }

    /// Warms decode batches of 1, 4, 16 … sequences, then grows a prefill chunk while a step of it
    /// stays within half the goal. A step may hold what fits the goal, judged by the last of them,
    /// at most the session's limit.
    StepBudget measure() {
        warm();
        int most = session.limits().maxTokens();
        int chunk = Math.min(SMALLEST_CHUNK, most);
        long nanos = fromRankZero(prefill(chunk));
        while (chunk < most && 2 * nanos <= STEP_GOAL.toNanos()) {
            chunk = Math.min(2 * chunk, most);
            nanos = fromRankZero(prefill(chunk));
        }
        // A neighbour's burst on this host must not decide for the whole run.
        nanos = Math.min(nanos, fromRankZero(prefill(chunk)));
        int doublingPosition = doublingPosition();
        int tokens =
                2 * nanos <= STEP_GOAL.toNanos()
                        ? chunk
                        : Math.min(most, Math.max(chunk, within(chunk, nanos, doublingPosition)));
        int block = session.limits().blockSize();
        return new StepBudget(tokens <= block ? tokens : tokens / block * block, doublingPosition);
    }

    /// Tokens that take as long as the goal where `chunk` take `nanos`; each attends to those
    /// before it: n tokens cost n · (1 + n / 2d).
    static int within(int chunk, long nanos, int doublingPosition) {
        double times = (double) STEP_GOAL.toNanos() / nanos;
        if (doublingPosition == 0) {
            return (int) (chunk * times);
        }
        double d = doublingPosition;
        double cost = times * chunk * (1 + chunk / (2 * d));
        return (int) (d * (Math.sqrt(1 + 2 * cost / d) - 1));
    }

    /// Compares a chunk at the beginning of a sequence with one far behind it: time grows with what
    /// a token attends to.
    private int doublingPosition() {
        SessionLimits limits = session.limits();
        int count = Math.min(SMALLEST_CHUNK, Math.min(limits.maxTokens(), limits.maxPositions()));
        int far = Math.min(FAR, limits.maxPositions() - count);
        if (far < count) {
            return 0;
        }
        long near = fromRankZero(prefill(count));
        long deep = fromRankZero(run(far, count));
        return deep <= near ? 0 : (int) Math.min(Integer.MAX_VALUE, far * near / (deep - near));
    }

    /// Time of one step of a chunk that stands behind so many positions.
    private long run(int computed, int count) {
        return run(List.of(count), computed);
    }

    /// One small step, for what it takes of memory; returns its tokens.
    int dummyStep() {
        int tokens = Math.min(SMALLEST_CHUNK, session.limits().maxTokens());
        prefill(tokens);
        return tokens;
    }

    /// Warms only, when the chunk is given.
    void warm() {
        int most = Math.min(session.limits().maxSequences(), session.limits().maxTokens());
        for (int rows = 1; rows < most; rows *= 4) {
            decode(rows);
        }
        decode(most);
    }

    /// Time of one step that prefills `tokens`, in rows no longer than a sequence may be.
    private long prefill(int tokens) {
        List<Integer> counts = new ArrayList<>();
        for (int left = tokens; left > 0 && counts.size() < session.limits().maxSequences(); ) {
            int count = Math.min(left, session.limits().maxPositions());
            counts.add(count);
            left -= count;
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

    /// @param computed positions before each of them
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
                            computed));
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

    /// Rows share blocks here: what is stored means nothing.
    private List<int[]> table(int tokens) {
        int[] table = new int[Math.ceilDiv(tokens, session.limits().blockSize())];
        for (int i = 0; i < table.length; i++) {
            table[i] = 1 + i % (blocks - 1);
        }
        return Collections.nCopies(session.kvGroups(), table);
    }

    /// A time is never 0, and all ranks go by the same one.
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
