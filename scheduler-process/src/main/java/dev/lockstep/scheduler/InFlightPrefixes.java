package dev.lockstep.scheduler;

import dev.lockstep.cluster.BlockHash;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/// Running sequences by the names of the prompt blocks they are about to compute: whoever comes
/// with the same prompt waits for those blocks.
final class InFlightPrefixes {
    private final int blockSize;
    private final Map<BlockHash, Sequence> inFlightPrefixes = new HashMap<>();

    InFlightPrefixes(int blockSize) {
        this.blockSize = blockSize;
    }

    boolean isEmpty() {
        return inFlightPrefixes.isEmpty();
    }

    /// An admitted sequence will compute its prompt from block `first` on, all of them named.
    void announce(Sequence sequence, int first) {
        int full = sequence.promptLength() / blockSize;
        for (int block = first; block < full; block++) {
            inFlightPrefixes.putIfAbsent(sequence.names().get(block), sequence);
        }
    }

    /// A block can be found from now on.
    void published(BlockHash name, Sequence sequence) {
        inFlightPrefixes.remove(name, sequence);
    }

    /// A sequence leaves: what it has not published, nobody waits for.
    void left(Sequence sequence) {
        if (inFlightPrefixes.isEmpty()) {
            return;
        }
        int full = Math.min(sequence.promptLength() / blockSize, sequence.names().count());
        for (int block = sequence.blocks().published(); block < full; block++) {
            inFlightPrefixes.remove(sequence.names().get(block), sequence);
        }
    }

    /// Who is about to compute the block of this name.
    Optional<Sequence> of(BlockHash name) {
        return Optional.ofNullable(inFlightPrefixes.get(name));
    }
}
