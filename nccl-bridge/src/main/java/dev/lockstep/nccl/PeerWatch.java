package dev.lockstep.nccl;

import java.time.Duration;
import java.util.function.IntSupplier;
import java.util.function.LongSupplier;

/// A rank's heartbeat, and its eye on the others: the thread that turns a lost peer into an abort.
///
/// A peer is lost when its process is gone, when its heartbeat is missing, or when this rank waits
/// while no rank of the group finishes an op; never because a step is long. Everything is counted
/// in own ticks, not by the clock, so that a group stopped and continued as a whole lives on. All
/// of it costs less than a thousandth of a core.
///
/// Started and closed by [HostCommunicator].
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

    /// @param progress of this rank's kernels; any thread may ask
    /// @param awaited the rank this one waits for, or -1
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

    /// What the thread does twice a second.
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
                look(peer);
            }
        }
        lookForProgress();
    }

    private void look(int peer) {
        long line = region.layout().rankLine(peer);
        long heartbeat = region.readLong(line + RegionLayout.HEARTBEAT);
        boolean silent = heartbeat == lastHeartbeats[peer];
        silentTicks[peer] = silent ? silentTicks[peer] + 1 : 0;
        lastHeartbeats[peer] = heartbeat;
        if (silent) {
            lookForProcess(peer, line);
        }
    }

    /// Only of a silent peer: asking the system costs a thousand times what reading a heartbeat
    /// does.
    private void lookForProcess(int peer, long line) {
        ProcessIdentity process = region.readIdentity(line + RegionLayout.IDENTITY);
        boolean gone = process.isGone();
        // Asked last: a rank says that it leaves before it ends.
        if (region.readInt(line + RegionLayout.SEAT) == Formation.LEFT) {
            return;
        }
        if (gone) {
            region.abort("rank %d (process %d) is gone".formatted(peer, process.pid()));
        } else if (silentTicks[peer] >= SILENT_TICKS) {
            region.abort(
                    "rank %d (process %d) shows no heartbeat for %s"
                            .formatted(peer, process.pid(), seconds(SILENT_TICKS)));
        }
    }

    private void lookForProgress() {
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
