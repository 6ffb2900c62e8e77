package dev.lockstep.scheduler;

import dev.lockstep.cluster.BlockHasher;
import java.util.List;
import java.util.Optional;

/// Who of the waiting sequences can have memory, and what each shares: looks up a prefix, admits
/// with it, and says for whom it is better to wait.
final class KvAdmission {
    private final KvPools pools;
    private final int blockSize;
    private final KvDemand demand;
    private final Reservations reservations;
    private final PartialCopies copies;
    private final InFlightPrefixes inFlightPrefixes;
    private final boolean prefixCache;
    private final BlockHasher hasher;
    private final PrefixMatch match;

    KvAdmission(
            KvPools pools,
            KvDemand demand,
            Reservations reservations,
            PartialCopies copies,
            InFlightPrefixes inFlightPrefixes,
            boolean prefixCache,
            BlockHasher hasher) {
        this.pools = pools;
        this.blockSize = pools.blockSize();
        this.demand = demand;
        this.reservations = reservations;
        this.copies = copies;
        this.inFlightPrefixes = inFlightPrefixes;
        this.prefixCache = prefixCache;
        this.hasher = hasher;
        this.match = new PrefixMatch(pools, hasher);
    }

    /// As [KvCacheManager#tryAdmit].
    int tryAdmit(Sequence sequence) {
        int known = sequence.knownLength();
        findShared(sequence);
        if (!fits(known)) {
            // In a small pool the source of a copy, or a window's blocks, may be one too many.
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
        if (prefixCache) {
            inFlightPrefixes.announce(sequence, match.blocks());
        }
        return match.tokens();
    }

    /// Whether there are blocks for what the match leaves of so many tokens. A copy takes one at
    /// once, and what comes behind it needs another.
    private boolean fits(int known) {
        int missing = Math.ceilDiv(known, blockSize) - match.blocks();
        int least = match.partialTokens() > 0 ? Math.min(missing, 2) : 0;
        for (int pool = 0; pool < pools.poolCount(); pool++) {
            int needed = match.revived(pool);
            for (int group = 0; group < pools.groupCount(); group++) {
                if (pools.poolOf(group) == pool) {
                    needed += Math.max(least, demand.toAdmit(group, missing));
                }
            }
            if (needed > reservations.open(pool)) {
                return false;
            }
        }
        return true;
    }

    private void findShared(Sequence sequence) {
        int most = sequence.mostShared();
        match.reset();
        if (prefixCache) {
            sequence.names().extendTo(sequence.knownLength() / blockSize, blockSize, hasher);
            match.find(sequence, most);
        }
        sequence.leader()
                .filter(leader -> leader.state() == Sequence.State.RUNNING)
                .ifPresent(leader -> match.share(leader, Math.min(most, sequence.promptLength())));
    }

    /// As [KvCacheManager#cachedPrefix].
    int cachedPrefix(Sequence sequence) {
        if (!prefixCache) {
            return 0;
        }
        sequence.names().extendTo(sequence.knownLength() / blockSize, blockSize, hasher);
        return match.countBlocks(sequence, sequence.mostShared());
    }

    /// As [KvCacheManager#producerFor].
    Optional<Sequence> producerFor(Sequence sequence) {
        var leader = sequence.leader();
        if (leader.isPresent()
                && leader.get().state() == Sequence.State.RUNNING
                && leader.get().computed() < sequence.promptLength() - 1) {
            return leader;
        }
        if (!prefixCache || inFlightPrefixes.isEmpty()) {
            return Optional.empty();
        }
        int found = cachedPrefix(sequence);
        if ((found + 1) * blockSize > sequence.mostShared()) {
            return Optional.empty();
        }
        return inFlightPrefixes.of(sequence.names().get(found));
    }

    /// As [KvCacheManager#fitsToCompletion].
    boolean fitsToCompletion(Sequence candidate, List<Sequence> running) {
        if (running.isEmpty()) {
            // Who fits into all memory was taken in.
            return true;
        }
        findShared(candidate);
        match.dropPartial();
        for (int pool = 0; pool < pools.poolCount(); pool++) {
            // Not what returns soon: another may hold it too.
            long open = pools.freeCount(pool) - (long) match.revived(pool);
            for (int group = 0; group < pools.groupCount(); group++) {
                if (pools.poolOf(group) == pool) {
                    open -= Math.max(0, demand.toFinish(candidate, group) - match.held(group));
                    for (var sequence : running) {
                        var table = sequence.blocks().table(group);
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
    boolean fitsBeside(Sequence candidate, List<Sequence> company) {
        if (company.isEmpty()) {
            return true;
        }
        for (int pool = 0; pool < pools.poolCount(); pool++) {
            long open = pools.usable(pool);
            for (int group = 0; group < pools.groupCount(); group++) {
                if (pools.poolOf(group) == pool) {
                    open -= demand.toFinish(candidate, group);
                    for (var sequence : company) {
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
