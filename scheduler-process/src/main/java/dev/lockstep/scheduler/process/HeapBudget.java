// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

import dev.lockstep.scheduler.BlockPool;
import dev.lockstep.scheduler.KvGroupShape;
import dev.lockstep.scheduler.PrefixCache;
import java.util.List;

/// The heap of this process as a limit for block metadata. The metadata of a group's blocks is
/// known only when its ranks have joined: a pool that does not fit is refused then, before any rank
/// builds anything.
public record HeapBudget(long maxBytes) {
    private static final long MEBIBYTE = 1 << 20;

    /// Reserved for everything else: the young generation, and what requests and their timelines
    /// hold.
    static final long RESERVED_BYTES = 96 * MEBIBYTE;

    /// Bytes of a name in a snapshot: a router that begins to watch receives the name of every
    /// block that can be found.
    private static final long NAME_BYTES = 64;

    static HeapBudget ofProcess() {
        return new HeapBudget(Runtime.getRuntime().maxMemory());
    }

    void requireRoomFor(long blocks, int blockSize, List<KvGroupShape> kvGroups)
            throws FormationException {
        long pools =
                kvGroups.stream()
                        .filter(KvGroupShape::isPaged)
                        .mapToLong(KvGroupShape::bytesPerBlock)
                        .distinct()
                        .count();
        long needed = pools * blocks * (bytesOfBlock(blockSize) + NAME_BYTES);
        long room = Math.max(0, maxBytes - RESERVED_BYTES);
        if (needed > room) {
            throw FormationException.refused(
                    "%d KV blocks of %d tokens take %d MiB in the scheduler, whose heap of %d MiB has room for %d MiB; start the workers with a smaller --kv-memory, or the scheduler on a host with more memory"
                            .formatted(
                                    pools * blocks,
                                    blockSize,
                                    needed / MEBIBYTE,
                                    maxBytes / MEBIBYTE,
                                    room / MEBIBYTE));
        }
    }

    /// Returns the bytes of one block in a pool and its prefix cache.
    public static long bytesOfBlock(int blockSize) {
        return BlockPool.BYTES_OF_BLOCK + PrefixCache.bytesOfBlock(blockSize);
    }
}
