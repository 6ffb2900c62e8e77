// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

import java.io.IOException;
import java.nio.file.Files;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/// The formation of a group, which maps one [SharedRegion] on all ranks of a [Rendezvous].
///
/// Rank 0 creates the file, the others open it, every rank takes its seat, rank 0 removes the file
/// and marks the group as formed. From then on nothing has to be cleaned up, however the ranks end.
/// The file of a rank killed before then is removed by the peers, or by the next group formed on
/// this host.
final class Formation {
    // States of a seat.
    private static final int TAKEN = 1;
    static final int LEFT = 2;

    private static final int POLL_MILLIS = 2;
    private static final int POLLS_BETWEEN_CHECKS = 50;

    private final Rendezvous rendezvous;
    private final int rank;
    private final RegionLayout layout;
    private final Meeting meeting;
    private final long deadline;
    private int polls;

    Formation(Rendezvous rendezvous, int rank, long bytes, Meeting meeting) {
        Preconditions.requireRank("rank", rank, rendezvous.size());
        this.rendezvous = rendezvous;
        this.rank = rank;
        this.layout = new RegionLayout(rendezvous.size(), bytes);
        this.meeting = meeting;
        this.deadline = System.nanoTime() + meeting.timeout().toNanos();
    }

    /// Joins the group; returns when every rank has mapped the region and no file is left.
    SharedRegion join() {
        try {
            SharedRegion region =
                    rank == 0
                            ? RegionFile.create(rendezvous.file(), layout, rendezvous.epoch())
                            : awaitFile();
            try {
                takeSeat(region);
                if (rank == 0) {
                    awaitSeats(region);
                } else {
                    awaitFormed(region);
                }
                return region;
            } catch (IOException | RuntimeException e) {
                region.abort(String.valueOf(e.getMessage()));
                region.close();
                Files.deleteIfExists(rendezvous.file());
                throw e;
            }
        } catch (IOException e) {
            throw new RendezvousException(
                    "rank %d: %s: %s".formatted(rank, rendezvous.file(), e), e);
        }
    }

    // Rank 0.

    private void awaitSeats(SharedRegion region) throws IOException {
        while (!missing(region).isEmpty()) {
            if (isTimedOut()) {
                throw new RendezvousException(missingMessage(region));
            }
            poll(region);
        }
        Files.deleteIfExists(rendezvous.file());
        region.writeInt(RegionLayout.STAGE, RegionHeader.FORMED);
    }

    // The other ranks.

    private SharedRegion awaitFile() throws IOException {
        while (!isTimedOut()) {
            Optional<RegionHeader> header = RegionFile.tryRead(rendezvous.file());
            if (header.isPresent()) {
                return open(header.get());
            }
            sleep();
        }
        throw new RendezvousException(
                "rank 0 did not create %s within %s, rank %d waited"
                        .formatted(rendezvous.file(), seconds(meeting.timeout()), rank));
    }

    /// Maps the region; aborts it where the settings differ, so that rank 0 fails too.
    private SharedRegion open(RegionHeader header) throws IOException {
        SharedRegion region = RegionFile.map(rendezvous.file(), header.layout());
        try {
            requireEqual("epoch", rendezvous.epoch(), header.epoch());
            requireEqual("group size", layout.size(), header.layout().size());
            requireEqual("bytes for collectives", layout.bytes(), header.layout().bytes());
        } catch (RuntimeException e) {
            region.abort(String.valueOf(e.getMessage()));
            region.close();
            throw e;
        }
        return region;
    }

    private void requireEqual(String what, long mine, long created) {
        if (mine != created) {
            throw new RendezvousException(
                    "%s differs: rank %d has %d, rank 0 has %d"
                            .formatted(what, rank, mine, created));
        }
    }

    private void awaitFormed(SharedRegion region) {
        while (region.readInt(RegionLayout.STAGE) != RegionHeader.FORMED) {
            if (isTimedOut()) {
                throw new RendezvousException(missingMessage(region));
            }
            poll(region);
        }
    }

    // All ranks.

    private void takeSeat(SharedRegion region) {
        long line = region.layout().rankLine(rank);
        ProcessIdentity own = ProcessIdentity.own();
        if (!region.claimLong(line + RegionLayout.IDENTITY, own.pid())) {
            throw new RendezvousException(
                    "rank %d is taken by process %d, and process %d claims it"
                            .formatted(
                                    rank,
                                    region.readLong(line + RegionLayout.IDENTITY),
                                    own.pid()));
        }
        region.writeIdentity(line + RegionLayout.IDENTITY, own);
        region.writeInt(line + RegionLayout.SEAT, TAKEN);
    }

    private List<Integer> missing(SharedRegion region) {
        return IntStream.range(0, layout.size())
                .filter(each -> !isSeated(region, each))
                .boxed()
                .toList();
    }

    private boolean isSeated(SharedRegion region, int each) {
        return region.readInt(layout.rankLine(each) + RegionLayout.SEAT) >= TAKEN;
    }

    private String missingMessage(SharedRegion region) {
        List<Integer> missing = missing(region);
        return missing.isEmpty()
                ? "rank 0 did not finish forming the group within %s"
                        .formatted(seconds(meeting.timeout()))
                : "ranks %s of %d did not join %s within %s"
                        .formatted(
                                missing,
                                layout.size(),
                                rendezvous.file(),
                                seconds(meeting.timeout()));
    }

    private void poll(SharedRegion region) {
        region.abortReason()
                .ifPresent(
                        reason -> {
                            throw new RendezvousException(reason);
                        });
        if (++polls % POLLS_BETWEEN_CHECKS == 0) {
            requireSeatedRanksAlive(region);
        }
        sleep();
    }

    private void requireSeatedRanksAlive(SharedRegion region) {
        for (int each = 0; each < layout.size(); each++) {
            ProcessIdentity process =
                    region.readIdentity(layout.rankLine(each) + RegionLayout.IDENTITY);
            if (isSeated(region, each) && process.isGone()) {
                throw new RendezvousException(
                        "rank %d (process %d) ended while the group formed"
                                .formatted(each, process.pid()));
            }
        }
    }

    private boolean isTimedOut() {
        return System.nanoTime() - deadline > 0;
    }

    private void sleep() {
        meeting.requireWanted(rank);
        try {
            Thread.sleep(POLL_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new RendezvousException(
                    "rank %d was interrupted at %s".formatted(rank, rendezvous.file()), e);
        }
    }

    private static String seconds(Duration duration) {
        return "%.1f s".formatted(duration.toMillis() / 1000.0);
    }
}
