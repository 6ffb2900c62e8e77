// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import java.lang.foreign.MemorySegment;

/// The messages of a rank to single peers: one outbox, free again when its last receiver has
/// emptied it.
///
/// The step thread uses it.
final class Mailbox {
    private static final int NO_RANK = -1;

    private final SharedRegion region;
    private final RegionLayout layout;
    private final MemorySegment memory;
    private final Barrier barrier;
    private final int rank;
    private final int[] sent;
    private final int[] taken;
    private int lastReceiver = NO_RANK;

    Mailbox(SharedRegion region, int rank, Barrier barrier) {
        this.region = region;
        this.layout = region.layout();
        this.memory = region.memory();
        this.barrier = barrier;
        this.rank = rank;
        this.sent = new int[layout.size()];
        this.taken = new int[layout.size()];
    }

    /// Sends piece by piece; returns when the last piece is in the outbox.
    void send(MemorySegment host, long address, long bytes, int peer) {
        long line = layout.pairLine(rank, peer);
        for (long from = 0; from < bytes; from += RegionLayout.SLOT_BYTES) {
            long piece = Math.min(RegionLayout.SLOT_BYTES, bytes - from);
            awaitEmpty();
            MemorySegment.copy(host, address + from, memory, layout.outbox(rank), piece);
            region.writeLong(line + RegionLayout.SENT_BYTES, bytes);
            region.raise(line, ++sent[peer]);
            lastReceiver = peer;
            barrier.finishCall();
        }
    }

    private void awaitEmpty() {
        if (lastReceiver != NO_RANK) {
            long line = layout.pairLine(rank, lastReceiver);
            barrier.await(line + RegionLayout.TAKEN, sent[lastReceiver], lastReceiver);
        }
    }

    void receive(MemorySegment host, long address, long bytes, int peer) {
        long line = layout.pairLine(peer, rank);
        for (long from = 0; from < bytes; from += RegionLayout.SLOT_BYTES) {
            long piece = Math.min(RegionLayout.SLOT_BYTES, bytes - from);
            barrier.await(line, ++taken[peer], peer);
            long sentBytes = region.readLong(line + RegionLayout.SENT_BYTES);
            if (sentBytes != bytes) {
                throw barrier.abortAll(
                        "rank %d sends %d bytes where rank %d receives %d"
                                .formatted(peer, sentBytes, rank, bytes));
            }
            MemorySegment.copy(memory, layout.outbox(peer), host, address + from, piece);
            region.raise(line + RegionLayout.TAKEN, taken[peer]);
            barrier.finishCall();
        }
    }
}
