package dev.lockstep.nccl;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;

/// Brings the ranks of a [Rendezvous] into one [SharedRegion].
///
/// Rank 0 creates the file, the others open it, everyone takes a seat, rank 0 removes the file and
/// says so. From then on nothing has to be cleaned up, however the ranks end. What a rank killed
/// before that moment leaves is removed by the peers, or by the next group formed on this host.
final class Formation {
    private static final long MAGIC = 0x3152_5450_534b_434cL; // "LCKSPTR1"

    // Stages of a region.
    private static final int OPEN = 1;
    private static final int FORMED = 2;

    // States of a seat.
    private static final int TAKEN = 1;
    static final int LEFT = 2;

    private static final int POLL_MILLIS = 2;
    private static final int POLLS_BETWEEN_LOOKS = 50;
    private static final int FILL_BYTES = 1 << 20;

    private final Rendezvous rendezvous;
    private final int rank;
    private final RegionLayout layout;
    private final Duration timeout;
    private final long deadline;
    private int polls;

    Formation(Rendezvous rendezvous, int rank, long bytes, Duration timeout) {
        Arguments.requireRank("rank", rank, rendezvous.size());
        this.rendezvous = rendezvous;
        this.rank = rank;
        this.layout = new RegionLayout(rendezvous.size(), bytes);
        this.timeout = timeout;
        this.deadline = System.nanoTime() + timeout.toNanos();
    }

    /// Returns when every rank has mapped the region and no file is left.
    SharedRegion meet() {
        try {
            SharedRegion region = rank == 0 ? create() : find();
            try {
                takeSeat(region);
                if (rank == 0) {
                    gather(region);
                } else {
                    awaitFormed(region);
                }
                return region;
            } catch (RendezvousException e) {
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

    private SharedRegion create() throws IOException {
        removeLeftovers();
        try (FileChannel channel = createFile()) {
            try {
                channel.write(header(), 0);
                fill(channel);
                SharedRegion region = new SharedRegion(channel, layout);
                region.writeInt(RegionLayout.STAGE, OPEN);
                return region;
            } catch (IOException | RendezvousException e) {
                Files.deleteIfExists(rendezvous.file());
                throw e;
            }
        }
    }

    private FileChannel createFile() throws IOException {
        try {
            return FileChannel.open(
                    rendezvous.file(),
                    Set.of(
                            StandardOpenOption.CREATE_NEW,
                            StandardOpenOption.READ,
                            StandardOpenOption.WRITE),
                    PosixFilePermissions.asFileAttribute(
                            PosixFilePermissions.fromString("rw-------")));
        } catch (FileAlreadyExistsException e) {
            throw new RendezvousException(
                    "%s exists: another rank 0 forms the same group, or the name was used before"
                            .formatted(rendezvous.file()),
                    e);
        }
    }

    private ByteBuffer header() {
        ProcessIdentity own = ProcessIdentity.own();
        return ByteBuffer.allocate(RegionLayout.HEADER_BYTES)
                .order(ByteOrder.nativeOrder())
                .putLong(RegionLayout.MAGIC, MAGIC)
                .putInt(RegionLayout.SIZE, layout.size())
                .putLong(RegionLayout.EPOCH, rendezvous.epoch())
                .putLong(RegionLayout.BYTES, layout.bytes())
                .putLong(RegionLayout.CREATOR, own.pid())
                .putLong(RegionLayout.CREATOR + 8, own.startTicks())
                .putLong(RegionLayout.CREATOR + 16, own.namespace());
    }

    /// Takes every page now: memory that runs out later is a SIGBUS.
    private void fill(FileChannel channel) throws IOException {
        long needed = layout.totalBytes();
        long available = Files.getFileStore(rendezvous.folder()).getUsableSpace();
        if (available < needed) {
            throw new RendezvousException(
                    "%s has %d bytes free, the group needs %d: enlarge it (containers: --shm-size) or lower what a step may hold"
                            .formatted(rendezvous.folder(), available, needed));
        }
        ByteBuffer zeros = ByteBuffer.allocateDirect(FILL_BYTES);
        long at = RegionLayout.HEADER_BYTES;
        while (at < needed) {
            zeros.clear().limit((int) Math.min(FILL_BYTES, needed - at));
            at += channel.write(zeros, at);
        }
    }

    private void removeLeftovers() throws IOException {
        try (DirectoryStream<Path> files =
                Files.newDirectoryStream(rendezvous.folder(), Rendezvous.PREFIX + "*")) {
            for (Path file : files) {
                removeIfLeftover(file);
            }
        }
    }

    private static void removeIfLeftover(Path file) throws IOException {
        try (FileChannel channel =
                FileChannel.open(file, StandardOpenOption.READ, LinkOption.NOFOLLOW_LINKS)) {
            ByteBuffer header = readHeader(channel);
            if (isOurs(header) && creator(header).isGone()) {
                Files.deleteIfExists(file);
            }
        } catch (IOException e) {
            // Another user's, or removed meanwhile: not ours to judge.
        }
    }

    private void gather(SharedRegion region) throws IOException {
        while (!missing(region).isEmpty()) {
            if (isLate()) {
                throw new RendezvousException(missingMessage(region));
            }
            poll(region);
        }
        Files.delete(rendezvous.file());
        region.writeInt(RegionLayout.STAGE, FORMED);
    }

    // The others.

    private SharedRegion find() throws IOException {
        Set<OpenOption> options =
                Set.of(
                        StandardOpenOption.READ,
                        StandardOpenOption.WRITE,
                        LinkOption.NOFOLLOW_LINKS);
        while (!isLate()) {
            try (FileChannel channel = FileChannel.open(rendezvous.file(), options)) {
                ByteBuffer header = readHeader(channel);
                if (isOurs(header)
                        && header.getInt(RegionLayout.STAGE) == OPEN
                        && !creator(header).isGone()) {
                    return open(channel, header);
                }
            } catch (NoSuchFileException e) {
                // Rank 0 is not there yet.
            }
            sleep();
        }
        throw new RendezvousException(
                "rank 0 did not create %s within %s, rank %d waited"
                        .formatted(rendezvous.file(), words(timeout), rank));
    }

    private SharedRegion open(FileChannel channel, ByteBuffer header) throws IOException {
        requireOwnUser();
        int size = header.getInt(RegionLayout.SIZE);
        long bytes = header.getLong(RegionLayout.BYTES);
        SharedRegion region = new SharedRegion(channel, new RegionLayout(size, bytes));
        try {
            requireEqual("epoch", rendezvous.epoch(), header.getLong(RegionLayout.EPOCH));
            requireEqual("group size", layout.size(), size);
            requireEqual("bytes for collectives", layout.bytes(), bytes);
        } catch (RendezvousException e) {
            region.abort(String.valueOf(e.getMessage()));
            region.close();
            throw e;
        }
        return region;
    }

    private void requireOwnUser() throws IOException {
        Object owner = Files.getAttribute(rendezvous.file(), "unix:uid", LinkOption.NOFOLLOW_LINKS);
        Object self = Files.getAttribute(Path.of("/proc/self"), "unix:uid");
        if (!owner.equals(self)) {
            throw new RendezvousException(
                    "%s belongs to user %s, rank %d runs as user %s"
                            .formatted(rendezvous.file(), owner, rank, self));
        }
    }

    private void requireEqual(String what, long mine, long created) {
        if (mine != created) {
            throw new RendezvousException(
                    "%s differs: rank %d has %d, rank 0 has %d"
                            .formatted(what, rank, mine, created));
        }
    }

    private void awaitFormed(SharedRegion region) {
        while (region.readInt(RegionLayout.STAGE) != FORMED) {
            if (isLate()) {
                throw new RendezvousException(missingMessage(region));
            }
            poll(region);
        }
    }

    // All.

    private void takeSeat(SharedRegion region) {
        long line = region.layout().rankLine(rank);
        ProcessIdentity own = ProcessIdentity.own();
        if (!region.claimLong(line + RegionLayout.IDENTITY, own.pid())) {
            throw new RendezvousException(
                    "rank %d is taken by process %d, and process %d wants it"
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
                ? "rank 0 did not finish forming the group within %s".formatted(words(timeout))
                : "ranks %s of %d did not come to %s within %s"
                        .formatted(missing, layout.size(), rendezvous.file(), words(timeout));
    }

    private void poll(SharedRegion region) {
        region.abortReason()
                .ifPresent(
                        reason -> {
                            throw new RendezvousException(reason);
                        });
        if (++polls % POLLS_BETWEEN_LOOKS == 0) {
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

    private boolean isLate() {
        return System.nanoTime() - deadline > 0;
    }

    private void sleep() {
        try {
            Thread.sleep(POLL_MILLIS);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new RendezvousException(
                    "rank %d was interrupted at %s".formatted(rank, rendezvous.file()), e);
        }
    }

    private static ByteBuffer readHeader(FileChannel channel) throws IOException {
        ByteBuffer header =
                ByteBuffer.allocate(RegionLayout.HEADER_BYTES).order(ByteOrder.nativeOrder());
        channel.read(header, 0);
        return header;
    }

    private static boolean isOurs(ByteBuffer header) {
        return header.getLong(RegionLayout.MAGIC) == MAGIC;
    }

    private static ProcessIdentity creator(ByteBuffer header) {
        return new ProcessIdentity(
                header.getLong(RegionLayout.CREATOR),
                header.getLong(RegionLayout.CREATOR + 8),
                header.getLong(RegionLayout.CREATOR + 16));
    }

    private static String words(Duration duration) {
        return "%.1f s".formatted(duration.toMillis() / 1000.0);
    }
}
