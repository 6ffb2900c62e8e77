// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

/// The layout of the shared region, derived from two numbers.
///
/// ```
/// header | rank lines [R] | pair lines [R][R] | slots [R][2] | outboxes [R] | arenas [R]
/// ```
///
/// A line is a flag that other ranks wait for (value at byte 0, sleeping waiters at byte 64) with
/// its data; lines are 128 bytes apart so that neighbours never share what the prefetcher loads.
///
/// @param size ranks
/// @param bytes of each rank's arena
record RegionLayout(int size, long bytes) {
    static final int MAX_RANKS = 64;

    /// The maximum bytes of a rank in one exchange; larger payloads are sent in pieces that stay in
    /// cache.
    static final int SLOT_BYTES = 256 * 1024;

    // Header.
    static final int HEADER_BYTES = 4096;
    static final int MAGIC = 0;
    static final int SIZE = 8;
    static final int EPOCH = 16;
    static final int BYTES = 24;
    static final int CREATOR = 32;
    static final int STAGE = 64;
    static final int ABORT = 128;
    static final int ABORT_LENGTH = 256;
    static final int ABORT_TEXT = 260;
    static final int ABORT_TEXT_BYTES = 2048;

    // A flag line.
    static final int LINE_BYTES = 128;
    static final int WAITERS = 64;

    // Rank lines: the arrival flag with two call words and offsets (even and odd), then the
    // presence.
    static final int CALLS = 8;
    static final int OFFSETS = 24;
    static final int PRESENCE = LINE_BYTES;
    static final int SEAT = PRESENCE;
    static final int IDENTITY = PRESENCE + 8;
    static final int HEARTBEAT = PRESENCE + 32;
    static final int PROGRESS = PRESENCE + 40;
    static final int CALLS_DONE = PRESENCE + 48;

    // Pair lines: the sent flag, then the taken flag.
    static final int SENT_BYTES = 8;
    static final int TAKEN = LINE_BYTES;

    private static final long PAGE = 4096;

    RegionLayout {
        if (bytes < 0 || bytes > Long.MAX_VALUE / (2 * MAX_RANKS)) {
            throw new IllegalArgumentException("%d bytes for each rank".formatted(bytes));
        }
    }

    long rankLine(int rank) {
        return HEADER_BYTES + 2L * LINE_BYTES * rank;
    }

    long pairLine(int from, int to) {
        return rankLine(size) + 2L * LINE_BYTES * ((long) from * size + to);
    }

    /// Returns the offset of a slot, which its rank writes in every second exchange; `side` is 0 or
    /// 1.
    long slot(int rank, int side) {
        return firstSlot() + (2L * rank + side) * SLOT_BYTES;
    }

    long outbox(int rank) {
        return firstSlot() + (2L * size + rank) * SLOT_BYTES;
    }

    long arena(int rank) {
        return firstSlot() + 3L * size * SLOT_BYTES + rank * pages(bytes);
    }

    long totalBytes() {
        return arena(size);
    }

    private long firstSlot() {
        return pages(pairLine(size, 0));
    }

    private static long pages(long bytes) {
        return (bytes + PAGE - 1) / PAGE * PAGE;
    }
}
