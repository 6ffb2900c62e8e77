package dev.lockstep.scheduler;

import dev.lockstep.cluster.BlockHash;
import dev.lockstep.cluster.BlockHasher;
import java.util.ArrayList;
import java.util.List;

/// Names the full blocks of sequences, so that workers know what they hold.
///
/// A name needs every id of its block. With two steps in flight a decode row may fill a block whose
/// last id is not back yet: that block is named with a later row. A sequence that ends first leaves
/// it without a name on the workers, which costs a cache hit after a restart and nothing else.
final class HashChain {
    private final BlockHasher hasher;
    private final int blockSize;
    private final int[] ids;

    HashChain(BlockHasher hasher, int blockSize) {
        this.hasher = hasher;
        this.blockSize = blockSize;
        this.ids = new int[blockSize];
    }

    /// Names of the sequence's next blocks that are sent whole and known whole, in order of
    /// position.
    List<BlockHash> nameFullBlocks(Sequence sequence) {
        int full = Math.min(sequence.computed(), sequence.knownLength()) / blockSize;
        int named = sequence.namedBlocks();
        if (named >= full) {
            return List.of();
        }
        var names = new ArrayList<BlockHash>(full - named);
        var parent = named == 0 ? hasher.root(sequence.cacheDomain()) : sequence.lastName();
        for (int block = named; block < full; block++) {
            for (int i = 0; i < blockSize; i++) {
                ids[i] = sequence.id(block * blockSize + i);
            }
            parent = hasher.next(parent, ids, 0, blockSize);
            names.add(parent);
        }
        sequence.named(full, parent);
        return names;
    }
}
