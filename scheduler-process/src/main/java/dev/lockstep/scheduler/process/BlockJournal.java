// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.cluster.BlockHash;
import dev.lockstep.scheduler.CacheEvents;
import java.util.Optional;

/// The changes of the prefix cache, as numbered events that watchers follow. The step loop writes,
/// transport threads read; both synchronize on this.
///
/// The latest events are kept, so that a watcher that missed some continues from its position; one
/// that missed more needs a snapshot. Each epoch of a group is a separate stream.
final class BlockJournal implements CacheEvents {
    private static final int KEPT = 1 << 14;

    private final BlockHash[] names = new BlockHash[KEPT];
    private final boolean[] stores = new boolean[KEPT];
    private final String instance;
    private String stream = "";
    private long last;

    /// The position of a watcher: it has received all events of a stream up to number `sequence`.
    record Position(String stream, long sequence) {
        static final Position NOWHERE = new Position("", 0);
    }

    /// @param instance distinguishes the streams of this process from those of others
    BlockJournal(String instance) {
        this.instance = instance;
    }

    /// Starts the stream of a new group, whose cache is empty.
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

    /// Passes the events after `from` to `reader` and returns the position after them; empty when
    /// `from` belongs to another stream or is too old, so that the watcher needs a snapshot.
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
