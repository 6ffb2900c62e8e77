package dev.lockstep.nccl;

import java.lang.foreign.MemorySegment;

/// What a rank sends to single others: one outbox, free again when its last receiver has emptied
/// it.
///
/// Used by the step thread.
final class Mailbox {
    private static final int NOBODY = -1;

    private final SharedRegion region;
    private final RegionLayout layout;
    private final MemorySegment memory;
    private final Barrier exchange;
    private final int rank;
    private final int[] sent;
    private final int[] taken;
    private int lastReceiver = NOBODY;

    Mailbox(SharedRegion region, int rank, Barrier exchange) {
        this.region = region;
        this.layout = region.layout();
        this.memory = region.memory();
        this.exchange = exchange;
        this.rank = rank;
        this.sent = new int[layout.size()];
        this.taken = new int[layout.size()];
    }

    /// Returns when the last piece lies in the outbox.
    void send(MemorySegment host, long address, long bytes, int peer) {
        long line = layout.pairLine(rank, peer);
        for (long from = 0; from < bytes; from += RegionLayout.SLOT_BYTES) {
            long piece = Math.min(RegionLayout.SLOT_BYTES, bytes - from);
            awaitEmpty();
            MemorySegment.copy(host, address + from, memory, layout.outbox(rank), piece);
            region.writeLong(line + RegionLayout.SENT_BYTES, bytes);
            region.raise(line, ++sent[peer]);
            lastReceiver = peer;
            exchange.finishCall();
        }
    }

    private void awaitEmpty() {
        if (lastReceiver != NOBODY) {
            long line = layout.pairLine(rank, lastReceiver);
            exchange.await(line + RegionLayout.TAKEN, sent[lastReceiver], lastReceiver);
        }
    }

    void receive(MemorySegment host, long address, long bytes, int peer) {
        long line = layout.pairLine(peer, rank);
        for (long from = 0; from < bytes; from += RegionLayout.SLOT_BYTES) {
            long piece = Math.min(RegionLayout.SLOT_BYTES, bytes - from);
            exchange.await(line, ++taken[peer], peer);
            long sentBytes = region.readLong(line + RegionLayout.SENT_BYTES);
            if (sentBytes != bytes) {
                throw exchange.lostStep(
                        "rank %d sends %d bytes where rank %d receives %d"
                                .formatted(peer, sentBytes, rank, bytes));
            }
            MemorySegment.copy(memory, layout.outbox(peer), host, address + from, piece);
            region.raise(line + RegionLayout.TAKEN, taken[peer]);
            exchange.finishCall();
        }
    }
}
