// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

/// The barrier of a group: each rank raises its own arrival flag, and waits for the flags of all
/// ranks.
///
/// The step thread uses it; any thread may call [#awaited].
final class Barrier {
    private static final long SPIN_NANOS = 50_000;
    private static final int NO_RANK = -1;

    private final SharedRegion region;
    private final RegionLayout layout;
    private final int rank;
    private final Waiting waiting;
    private final long[] offsets;
    private int arrivals;
    private long callsDone;
    private long waitedNanos;
    private volatile int awaited = NO_RANK;

    Barrier(SharedRegion region, int rank, Waiting waiting) {
        this.region = region;
        this.layout = region.layout();
        this.rank = rank;
        this.waiting = waiting;
        this.offsets = new long[layout.size()];
    }

    /// Returns the rank that this one waits for, or -1.
    int awaited() {
        return awaited;
    }

    /// Returns the time for which this rank has waited so far.
    long waitedNanos() {
        return waitedNanos;
    }

    /// Returns which of its two slots a rank uses in the next exchange.
    int nextSide() {
        return (arrivals + 1) & 1;
    }

    /// Publishes this rank's call and the offset of its part, and waits until all ranks have
    /// arrived with the same call.
    ///
    /// @return the offset of each rank's part; valid until the next exchange
    long[] arriveAndWait(CallWord call, long offset) {
        int side = nextSide();
        arrivals++;
        long line = layout.rankLine(rank);
        region.writeLong(line + RegionLayout.CALLS + 8L * side, call.word());
        region.writeLong(line + RegionLayout.OFFSETS + 8L * side, offset);
        region.raise(line, arrivals);
        for (int each = 0; each < offsets.length; each++) {
            long theirs = layout.rankLine(each);
            await(theirs, arrivals, each);
            offsets[each] = region.readLong(theirs + RegionLayout.OFFSETS + 8L * side);
            long theirCall = region.readLong(theirs + RegionLayout.CALLS + 8L * side);
            if (theirCall != call.word()) {
                throw abortAll(
                        "rank %d calls %s while rank %d calls %s"
                                .formatted(each, new CallWord(theirCall), rank, call));
            }
        }
        finishCall();
        return offsets;
    }

    /// Counts a finished call, which waiting peers see as progress.
    void finishCall() {
        region.writeLong(layout.rankLine(rank) + RegionLayout.CALLS_DONE, ++callsDone);
    }

    /// Waits until `peer` has raised the flag to `value`.
    void await(long flag, int value, int peer) {
        if (region.isReached(flag, value)) {
            return;
        }
        long start = System.nanoTime();
        if (waiting == Waiting.SPIN && spin(start, flag, value)) {
            waitedNanos += System.nanoTime() - start;
            return;
        }
        awaited = peer;
        try {
            while (!region.isReached(flag, value)) {
                requireRunning();
                if (hasLeft(peer) && !region.isReached(flag, value)) {
                    throw abortAll(
                            "rank %d closed its communicator while rank %d waits for it"
                                    .formatted(peer, rank));
                }
                region.sleep(flag, value);
            }
        } finally {
            awaited = NO_RANK;
            waitedNanos += System.nanoTime() - start;
        }
    }

    private boolean spin(long start, long flag, int value) {
        while (System.nanoTime() - start < SPIN_NANOS) {
            for (int i = 0; i < 32; i++) {
                if (region.isReached(flag, value)) {
                    return true;
                }
                Thread.onSpinWait();
            }
        }
        return false;
    }

    private boolean hasLeft(int peer) {
        return region.readInt(layout.rankLine(peer) + RegionLayout.SEAT) == Formation.LEFT;
    }

    void requireRunning() {
        if (region.isAborted()) {
            throw new CommunicatorAbortedException(region.abortReason().orElseThrow());
        }
    }

    /// Aborts all ranks because their calls differ; returns the exception to throw.
    CommunicatorAbortedException abortAll(String reason) {
        region.abort(reason);
        return new CommunicatorAbortedException(region.abortReason().orElseThrow());
    }
}
