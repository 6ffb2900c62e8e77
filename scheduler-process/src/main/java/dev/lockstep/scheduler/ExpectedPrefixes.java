// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import dev.lockstep.cluster.BlockHash;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// What waiting sequences will not have to compute because others compute it before: each block of
/// their prompts is counted once, for the first of them.
///
/// A sequence that relies on another is one of its dependents. Where that one ends early, the
/// dependent that shares most with it counts the blocks instead, and the others rely on this one:
/// what they share with the first is a part of what it shares.
final class ExpectedPrefixes {
    private final KvCacheManager kv;
    private final int blockSize;

    /// Waiting sequences by the names of the blocks that are counted for them.
    private final Map<BlockHash, Sequence> byName = new HashMap<>();

    /// What a sequence relies on, and who relies on it.
    static final class Share {
        /// The blocks at its beginning that it need not compute.
        private int blocks;

        /// Of its blocks those in [from, to) are counted for it.
        private int from;

        private int to;

        /// Computes the last of the blocks; none where the cache has them.
        private @Nullable Sequence source;

        private @Nullable Sequence dependents;
        private @Nullable Sequence next;
        private @Nullable Sequence previous;

        int blocks() {
            return blocks;
        }
    }

    /// Whether a sequence that waits already goes before one that arrives.
    @FunctionalInterface
    interface Precedence {
        boolean precedes(Sequence waiting, Sequence arriving);
    }

    ExpectedPrefixes(KvCacheManager kv, int blockSize) {
        this.kv = kv;
        this.blockSize = blockSize;
    }

    /// Returns how many tokens a sequence that arrives will find computed.
    ///
    /// @param found blocks that the cache has
    int shared(Sequence arriving, int found, Precedence precedence) {
        return tokens(arriving, expected(arriving, found, precedence).blocks());
    }

    /// The blocks that a sequence will find, and who computes the last of them.
    private record Expected(int blocks, Optional<Sequence> source) {}

    /// In a model with states only some blocks are counted for a sequence: others can begin after
    /// those, and skip the blocks before them.
    private Expected expected(Sequence sequence, int found, Precedence precedence) {
        var expected = new Expected(found, Optional.empty());
        int max = kv.sharable(sequence);
        for (int block = found; block < max; block++) {
            Optional<Sequence> source = source(sequence, block, precedence);
            if (source.isPresent()) {
                expected = new Expected(block + 1, source);
            } else if (!kv.keepsStates()) {
                break;
            }
        }
        return expected;
    }

    private int tokens(Sequence sequence, int blocks) {
        return Math.min(blocks * blockSize, sequence.maxShared());
    }

    /// Returns who computes a block before a sequence.
    private Optional<Sequence> source(Sequence sequence, int block, Precedence precedence) {
        Optional<Sequence> runs = kv.computing(sequence, block);
        return runs.isPresent()
                ? runs
                : Optional.ofNullable(byName.get(sequence.names().get(block)))
                        .filter(other -> other != sequence && precedence.precedes(other, sequence));
    }

    /// Adds a sequence that waits from now on, and returns how many tokens it will find computed.
    ///
    /// @param found blocks that the cache has
    int add(Sequence sequence, int found, Precedence precedence) {
        Expected expected = expected(sequence, found, precedence);
        int blocks = expected.blocks();
        int max = kv.sharable(sequence);
        Share share = sequence.share();
        share.blocks = blocks;
        share.from = blocks;
        share.to = Math.max(blocks, max);
        for (int block = blocks; block < max; block++) {
            if (kv.beginsAfter(sequence, block)) {
                byName.put(sequence.names().get(block), sequence);
            }
        }
        expected.source().ifPresent(source -> rely(sequence, source));
        return tokens(sequence, blocks);
    }

    /// Removes a sequence that does not wait any more. Its dependents still rely on it.
    void remove(Sequence sequence) {
        Share share = sequence.share();
        for (int block = share.from; block < share.to; block++) {
            byName.remove(sequence.names().get(block), sequence);
        }
        share.to = share.from;
        leave(sequence);
    }

    /// Returns the dependent of a sequence that has ended which is to be added again, because the
    /// others rely on it now.
    Optional<Sequence> ended(Sequence sequence) {
        @Nullable Sequence heir = null;
        for (Sequence each = sequence.share().dependents; each != null; each = each.share().next) {
            heir = heir == null || each.share().blocks > heir.share().blocks ? each : heir;
        }
        if (heir == null) {
            return Optional.empty();
        }
        leave(heir);
        for (Sequence each = sequence.share().dependents;
                each != null;
                each = sequence.share().dependents) {
            leave(each);
            rely(each, heir);
        }
        return Optional.of(heir);
    }

    private static void rely(Sequence sequence, Sequence source) {
        Share share = sequence.share();
        Sequence first = source.share().dependents;
        share.source = source;
        share.next = first;
        if (first != null) {
            first.share().previous = sequence;
        }
        source.share().dependents = sequence;
    }

    private static void leave(Sequence sequence) {
        Share share = sequence.share();
        if (share.source == null) {
            return;
        }
        if (share.previous == null) {
            share.source.share().dependents = share.next;
        } else {
            share.previous.share().next = share.next;
        }
        if (share.next != null) {
            share.next.share().previous = share.previous;
        }
        share.source = null;
        share.next = null;
        share.previous = null;
    }

    void clear() {
        byName.clear();
    }
}
