// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import java.time.Duration;
import java.util.function.IntSupplier;
import java.util.function.LongSupplier;

/// The thread that publishes a rank's heartbeat, checks the other ranks, and aborts the group when
/// a peer is lost.
///
/// A peer is lost when its process is gone, when its heartbeat is missing, or when this rank waits
/// while no rank of the group finishes an op; never because a step is long. Everything is counted
/// in ticks of this thread, not by the clock, so that a group stopped and continued as a whole
/// keeps running. All of it costs less than a thousandth of a core.
///
/// [HostCommunicator] starts and closes it.
final class PeerWatch implements AutoCloseable {
    static final Duration TICK = Duration.ofMillis(500);
    static final int SILENT_TICKS = 6;
    static final int IDLE_TICKS = 9;

    private final SharedRegion region;
    private final int rank;
    private final LongSupplier progress;
    private final IntSupplier awaited;
    private final Thread thread;
    private volatile boolean closed;

    private final long[] lastHeartbeats;
    private final int[] silentTicks;
    private long lastProgress;
    private int idleTicks;

    /// @param progress the progress of this rank's kernels; any thread may call it
    /// @param awaited the rank that this one waits for, or -1
    PeerWatch(SharedRegion region, int rank, LongSupplier progress, IntSupplier awaited) {
        this.region = region;
        this.rank = rank;
        this.progress = progress;
        this.awaited = awaited;
        this.lastHeartbeats = new long[region.layout().size()];
        this.silentTicks = new int[region.layout().size()];
        this.thread = Thread.ofPlatform().daemon().name("peer-watch-" + rank).unstarted(this::run);
    }

    void start() {
        thread.start();
    }

    private void run() {
        while (!closed) {
            tick();
            try {
                Thread.sleep(TICK);
            } catch (InterruptedException e) {
                return;
            }
        }
    }

    /// Publishes the heartbeat and checks the peers; the thread calls it twice a second.
    void tick() {
        long own = region.layout().rankLine(rank);
        region.writeLong(own + RegionLayout.PROGRESS, progress.getAsLong());
        region.writeLong(
                own + RegionLayout.HEARTBEAT, region.readLong(own + RegionLayout.HEARTBEAT) + 1);
        if (region.isAborted()) {
            return;
        }
        for (int peer = 0; peer < silentTicks.length; peer++) {
            if (peer != rank) {
                checkHeartbeat(peer);
            }
        }
        checkProgress();
    }

    private void checkHeartbeat(int peer) {
        long line = region.layout().rankLine(peer);
        long heartbeat = region.readLong(line + RegionLayout.HEARTBEAT);
        boolean silent = heartbeat == lastHeartbeats[peer];
        silentTicks[peer] = silent ? silentTicks[peer] + 1 : 0;
        lastHeartbeats[peer] = heartbeat;
        if (silent) {
            checkProcess(peer, line);
        }
    }

    /// Checks the process of a silent peer only: asking the system costs a thousand times what
    /// reading a heartbeat does.
    private void checkProcess(int peer, long line) {
        ProcessIdentity process = region.readIdentity(line + RegionLayout.IDENTITY);
        boolean gone = process.isGone();
        // Read last: a rank marks its seat as left before it ends.
        if (region.readInt(line + RegionLayout.SEAT) == Formation.LEFT) {
            return;
        }
        if (gone) {
            region.abort("rank %d (process %d) is gone".formatted(peer, process.pid()));
        } else if (silentTicks[peer] >= SILENT_TICKS) {
            region.abort(
                    "rank %d (process %d) sent no heartbeat for %s"
                            .formatted(peer, process.pid(), seconds(SILENT_TICKS)));
        }
    }

    private void checkProgress() {
        long sum = 0;
        for (int each = 0; each < silentTicks.length; each++) {
            long line = region.layout().rankLine(each);
            sum +=
                    region.readLong(line + RegionLayout.PROGRESS)
                            + region.readLong(line + RegionLayout.CALLS_DONE);
        }
        int peer = awaited.getAsInt();
        idleTicks = peer < 0 || sum != lastProgress ? 0 : idleTicks + 1;
        lastProgress = sum;
        if (idleTicks >= IDLE_TICKS) {
            region.abort(
                    "rank %d waits for rank %d, and no rank finished an op for %s"
                            .formatted(rank, peer, seconds(IDLE_TICKS)));
        }
    }

    private static String seconds(int ticks) {
        return "%.1f s".formatted(ticks * TICK.toMillis() / 1000.0);
    }

    @Override
    public void close() {
        closed = true;
        thread.interrupt();
        try {
            thread.join(TICK.multipliedBy(4));
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
