// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import dev.lockstep.kernels.Owned;
import dev.lockstep.kernels.Recording;
import java.util.Map;
import java.util.NavigableMap;
import java.util.OptionalInt;
import java.util.TreeMap;

/// The recorded decode steps of a session, by their number of rows: a step is padded to the next.
///
/// Collectives are part of them, so every rank launches one, or none. Which one depends only on
/// what all ranks see of a step. Belongs to the step thread; the session closes it before the
/// communicator.
final class DecodeGraphs implements AutoCloseable {
    private final NavigableMap<Integer, Recording> bySize = new TreeMap<>();
    private final Owned owned = new Owned();

    void add(int size, Recording recording) {
        bySize.put(size, owned.add(recording, Recording::close));
    }

    /// Returns the smallest recorded number of rows that holds `rows`; empty if none does.
    OptionalInt size(int rows) {
        Map.Entry<Integer, Recording> next = bySize.ceilingEntry(rows);
        return next == null ? OptionalInt.empty() : OptionalInt.of(next.getKey());
    }

    void launch(int size) {
        Recording recording = bySize.get(size);
        if (recording == null) {
            throw new IllegalStateException(
                    "no decode step of %d rows is recorded".formatted(size));
        }
        recording.launch();
    }

    @Override
    public void close() {
        bySize.clear();
        owned.close();
    }
}
