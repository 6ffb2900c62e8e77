package dev.lockstep.scheduler.process;

import dev.lockstep.cluster.BlockHash;
import dev.lockstep.scheduler.CacheEvents;
import java.util.Optional;

/// What came into the prefix cache and what left it, as numbered events that watchers follow. The
/// step loop writes, transport threads read; both guard by this.
///
/// The latest events are kept, so that a watcher who missed some goes on from where it was; one who
/// missed more needs a snapshot. Each epoch of a group is a stream of its own.
final class BlockJournal implements CacheEvents {
    private static final int KEPT = 1 << 14;

    private final BlockHash[] names = new BlockHash[KEPT];
    private final boolean[] stores = new boolean[KEPT];
    private final String instance;
    private String stream = "";
    private long last;

    /// Where a watcher is: it has heard all events of a stream up to this one.
    record Position(String stream, long sequence) {
        static final Position NOWHERE = new Position("", 0);
    }

    /// @param instance tells the streams of this process from those of others
    BlockJournal(String instance) {
        this.instance = instance;
    }

    /// A new group: the cache is empty.
    synchronized void begin(long epoch) {
        stream = instance + "-" + epoch;
        last = 0;
    }

    @Override
    public synchronized void stored(BlockHash name) {
        add(name, true);
    }

    @Override
    public synchronized void removed(BlockHash name) {
        add(name, false);
    }

    private void add(BlockHash name, boolean store) {
        last++;
        int index = (int) (last & KEPT - 1);
        names[index] = name;
        stores[index] = store;
    }

    synchronized Position position() {
        return new Position(stream, last);
    }

    /// Tells `reader` what came after `from` and returns where that leads; empty when it is another
    /// stream or too long ago, which takes a snapshot.
    synchronized Optional<Position> read(Position from, CacheEvents reader) {
        if (!from.stream().equals(stream)
                || from.sequence() > last
                || last - from.sequence() >= KEPT) {
            return Optional.empty();
        }
        for (long event = from.sequence() + 1; event <= last; event++) {
            int index = (int) (event & KEPT - 1);
            if (stores[index]) {
                reader.stored(names[index]);
            } else {
                reader.removed(names[index]);
            }
        }
        return Optional.of(position());
    }
}
