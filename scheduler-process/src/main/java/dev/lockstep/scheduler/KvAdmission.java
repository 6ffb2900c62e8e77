// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import dev.lockstep.cluster.BlockHasher;
import java.util.List;
import java.util.Optional;

/// Decides which waiting sequences get memory and which blocks each shares: looks up a prefix,
/// admits with it, and returns the sequence that another should wait for.
final class KvAdmission {
    private final KvPools pools;
    private final int blockSize;
    private final KvDemand demand;
    private final Reservations reservations;
    private final PartialCopies copies;
    private final InFlightPrefixes inFlightPrefixes;
    private final boolean prefixCache;
    private final BlockHasher hasher;
    private final Optional<StateSnapshots> states;
    private final PrefixMatch match;

    KvAdmission(
            KvPools pools,
            KvDemand demand,
            Reservations reservations,
            PartialCopies copies,
            InFlightPrefixes inFlightPrefixes,
            boolean prefixCache,
            BlockHasher hasher,
            Optional<StateSnapshots> states) {
        this.pools = pools;
        this.blockSize = pools.blockSize();
        this.demand = demand;
        this.reservations = reservations;
        this.copies = copies;
        this.inFlightPrefixes = inFlightPrefixes;
        this.prefixCache = prefixCache;
        this.hasher = hasher;
        this.states = states;
        this.match = new PrefixMatch(pools, hasher, states);
    }

    /// As [KvCacheManager#tryAdmit].
    int tryAdmit(Sequence sequence) {
        int known = sequence.knownLength();
        findShared(sequence);
        if (!fits(known)) {
            // In a small pool the source of a copy, or the blocks of a window, may be one too many.
            match.dropPartial();
            if (!fits(known)) {
                match.reset();
                if (!fits(known)) {
                    return -1;
                }
            }
        }
        int missing = Math.ceilDiv(known, blockSize) - match.blocks();
        match.take(sequence);
        sequence.blocks().admitted(match.blocks(), match.producer());
        if (match.partialTokens() > 0) {
            copies.add(sequence, match);
            missing--;
        }
        reservations.set(sequence, pools.windows() ? Math.min(1, missing) : missing);
        if (prefixCache && states.isEmpty()) {
            inFlightPrefixes.announce(sequence, match.blocks());
        }
        return match.tokens();
    }

    /// Whether there are blocks for what the match leaves of `known` tokens. A copy needs one at
    /// once, and the tokens after it need another.
    private boolean fits(int known) {
        int missing = Math.ceilDiv(known, blockSize) - match.blocks();
        int min = match.partialTokens() > 0 ? Math.min(missing, 2) : 0;
        for (int pool = 0; pool < pools.poolCount(); pool++) {
            int needed = match.revived(pool);
            for (int group = 0; group < pools.groupCount(); group++) {
                if (pools.poolOf(group) == pool) {
                    needed += Math.max(min, demand.toAdmit(group, missing));
                }
            }
            if (needed > reservations.open(pool)) {
                return false;
            }
        }
        return true;
    }

    private void findShared(Sequence sequence) {
        int max = sequence.maxShared();
        match.reset();
        if (prefixCache) {
            sequence.names().extendTo(sequence.knownLength() / blockSize, pools, hasher);
            match.find(sequence, max);
        }
        sequence.leader()
                .filter(leader -> leader.state() == Sequence.State.RUNNING)
                .ifPresent(leader -> match.share(leader, Math.min(max, sequence.promptLength())));
    }

    /// As [KvCacheManager#cachedPrefix].
    int cachedPrefix(Sequence sequence) {
        if (!prefixCache) {
            return 0;
        }
        sequence.names().extendTo(sequence.knownLength() / blockSize, pools, hasher);
        return match.countBlocks(sequence, sequence.maxShared());
    }

    /// As [KvCacheManager#sharable].
    int sharable(Sequence sequence) {
        if (!prefixCache) {
            return 0;
        }
        int blocks = Math.min(sequence.maxShared(), sequence.promptLength()) / blockSize;
        sequence.names().extendTo(blocks, pools, hasher);
        return blocks;
    }

    /// As [KvCacheManager#producerFor].
    Optional<Sequence> producerFor(Sequence sequence) {
        Optional<Sequence> leader = sequence.leader();
        // Choices of a model with states share a snapshot, if there is to be one, as others do.
        if (states.isEmpty()
                && leader.isPresent()
                && leader.get().state() == Sequence.State.RUNNING
                && leader.get().computed() < sequence.promptLength() - 1) {
            return leader;
        }
        if (!prefixCache || inFlightPrefixes.isEmpty()) {
            return Optional.empty();
        }
        int found = cachedPrefix(sequence);
        if ((found + 1) * blockSize > sequence.maxShared()) {
            return Optional.empty();
        }
        return states.isEmpty()
                ? inFlightPrefixes.of(sequence.names().get(found))
                : nextSnapshot(sequence, found);
    }

    /// Returns the sequence that is about to compute the next snapshot after `found` blocks.
    private Optional<Sequence> nextSnapshot(Sequence sequence, int found) {
        int blocks = Math.min(sequence.maxShared() / blockSize, sequence.names().count());
        for (int block = found; block < blocks; block++) {
            Optional<Sequence> producer = inFlightPrefixes.of(sequence.names().get(block));
            if (producer.isPresent()) {
                return producer;
            }
        }
        return Optional.empty();
    }

    /// As [KvCacheManager#fitsToCompletion].
    boolean fitsToCompletion(Sequence candidate, List<Sequence> running) {
        if (running.isEmpty()) {
            // A sequence that does not fit into all memory was refused when it was submitted.
            return true;
        }
        findShared(candidate);
        match.dropPartial();
        for (int pool = 0; pool < pools.poolCount(); pool++) {
            // Deferred frees do not count: another sequence may hold the blocks too.
            long open = pools.freeCount(pool) - (long) match.revived(pool);
            for (int group = 0; group < pools.groupCount(); group++) {
                if (pools.poolOf(group) == pool) {
                    open -= Math.max(0, demand.toFinish(candidate, group) - match.held(group));
                    for (Sequence sequence : running) {
                        BlockTable table = sequence.blocks().table(group);
                        int held = table.size() - table.dropped();
                        open -= Math.max(0, demand.toFinish(sequence, group) - held);
                    }
                }
            }
            if (open < 0) {
                return false;
            }
        }
        return true;
    }

    /// As [KvCacheManager#fitsBeside].
    boolean fitsBeside(Sequence candidate, List<Sequence> others) {
        if (others.isEmpty()) {
            return true;
        }
        for (int pool = 0; pool < pools.poolCount(); pool++) {
            long open = pools.usable(pool);
            for (int group = 0; group < pools.groupCount(); group++) {
                if (pools.poolOf(group) == pool) {
                    open -= demand.toFinish(candidate, group);
                    for (Sequence sequence : others) {
                        open -= demand.toFinish(sequence, group);
                    }
                }
            }
            if (open < 0) {
                return false;
            }
        }
        return true;
    }
}
