// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import dev.lockstep.cluster.BlockHash;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/// Running sequences by the names of the prompt blocks they are about to compute: a sequence with
/// the same prompt waits for those blocks. In a model with states, where a prefix is of use only
/// with a snapshot at its end, these are the blocks before a snapshot.
final class InFlightPrefixes {
    private final int blockSize;
    private final Map<BlockHash, Sequence> byName = new HashMap<>();

    InFlightPrefixes(int blockSize) {
        this.blockSize = blockSize;
    }

    boolean isEmpty() {
        return byName.isEmpty();
    }

    /// Adds the prompt blocks of an admitted sequence from block `first` on, all of them named.
    void announce(Sequence sequence, int first) {
        int full = sequence.promptLength() / blockSize;
        for (int block = first; block < full; block++) {
            byName.putIfAbsent(sequence.names().get(block), sequence);
        }
    }

    /// Adds one block.
    void announce(BlockHash name, Sequence sequence) {
        byName.putIfAbsent(name, sequence);
    }

    /// Removes a block that can be found from now on.
    void published(BlockHash name, Sequence sequence) {
        byName.remove(name, sequence);
    }

    /// Removes the blocks that a sequence leaves unpublished: no sequence waits for them.
    ///
    /// @param first of the blocks that may be unpublished
    void left(Sequence sequence, int first) {
        if (byName.isEmpty()) {
            return;
        }
        int full = Math.min(sequence.promptLength() / blockSize, sequence.names().count());
        for (int block = first; block < full; block++) {
            byName.remove(sequence.names().get(block), sequence);
        }
    }

    /// Returns the sequence that is about to compute the block of this name.
    Optional<Sequence> of(BlockHash name) {
        return Optional.ofNullable(byName.get(name));
    }
}
