// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import dev.lockstep.cluster.BlockHash;
import dev.lockstep.cluster.BlockHasher;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/// Paged KV memory with a prefix cache: a table per KV group, a pool and a [PrefixCache] per block
/// size in bytes. [KvAdmission] decides which sequence gets memory and what it shares,
/// [Reservations] keep a plan from taking what an older sequence needs, [FullBlockNames] names what
/// is computed, and [DeferredFrees] frees what was given up.
///
/// Owned by the step loop's thread.
final class PagedKvCache implements KvCacheManager {
    private final KvPools pools;
    private final KvDemand demand;
    private final Reservations reservations;
    private final DeferredFrees deferredFrees;
    private final SlidingWindows windows;
    private final InFlightPrefixes inFlightPrefixes;
    private final PartialCopies copies;
    private final KvAdmission admission;
    private final FullBlockNames fullBlockNames;
    private final Optional<StateSnapshots> states;
    private final boolean prefixCache;
    private final int[][] noBlocks;

    /// @param prefixCache whether sequences of different requests share blocks
    PagedKvCache(GroupShape shape, boolean prefixCache, BlockHasher hasher, CacheEvents events) {
        pools = new KvPools(shape, hasher, events);
        demand = new KvDemand(pools, shape.maxBatchedTokens());
        reservations = new Reservations(pools);
        deferredFrees = new DeferredFrees(pools);
        windows = new SlidingWindows(pools, deferredFrees);
        inFlightPrefixes = new InFlightPrefixes(shape.blockSize());
        copies = new PartialCopies(pools);
        states =
                shape.keepsStates()
                        ? Optional.of(
                                new StateSnapshots(
                                        shape, pools.groupCount(), hasher, inFlightPrefixes))
                        : Optional.empty();
        admission =
                new KvAdmission(
                        pools,
                        demand,
                        reservations,
                        copies,
                        inFlightPrefixes,
                        prefixCache,
                        hasher,
                        states);
        fullBlockNames =
                new FullBlockNames(
                        pools, prefixCache, hasher, events, inFlightPrefixes, states.isEmpty());
        this.prefixCache = prefixCache;
        noBlocks = new int[pools.groupCount()][0];
    }

    @Override
    public int maxTokens() {
        return demand.maxTokens();
    }

    @Override
    public long blocks() {
        return pools.blocks();
    }

    @Override
    public long freeBlocks() {
        return pools.freeBlocks();
    }

    @Override
    public long cachedBlocks() {
        return pools.cachedBlocks();
    }

    @Override
    public List<BlockHash> cachedNames() {
        return pools.cacheOf(0).names(0);
    }

    @Override
    public boolean adopt(int kvGroup, int block, BlockHash name) {
        // Snapshots do not outlast an epoch, and without one no prefix is of use.
        return states.isEmpty() && fullBlockNames.adopt(kvGroup, block, name);
    }

    @Override
    public void beginPlan(long nanos) {
        reservations.begin();
        long second = TimeUnit.NANOSECONDS.toSeconds(nanos);
        pools.advanceTo(second);
        states.ifPresent(snapshots -> snapshots.advanceTo(second));
    }

    @Override
    public boolean tryReserve(Sequence sequence, int length) {
        return reservations.trySet(sequence, demand.missing(sequence, length));
    }

    @Override
    public boolean canReserveSoon(Sequence sequence, int length) {
        int missing = demand.missing(sequence, length);
        for (int pool = 0; pool < pools.poolCount(); pool++) {
            int soon = reservations.open(pool) + deferredFrees.returning(pool);
            if (missing * pools.groupsIn(pool) > soon) {
                return false;
            }
        }
        return true;
    }

    @Override
    public int tryAdmit(Sequence sequence) {
        int found = admission.tryAdmit(sequence);
        if (prefixCache && found >= 0) {
            states.ifPresent(snapshots -> snapshots.announce(sequence, found));
        }
        return found;
    }

    @Override
    public int cachedPrefix(Sequence sequence) {
        return admission.cachedPrefix(sequence);
    }

    @Override
    public int sharable(Sequence waiting) {
        return admission.sharable(waiting);
    }

    @Override
    public boolean beginsAfter(Sequence waiting, int block) {
        return states.isEmpty() || states.get().isBorder(waiting, (block + 1) * pools.blockSize());
    }

    @Override
    public boolean keepsStates() {
        return states.isPresent();
    }

    @Override
    public Optional<Sequence> computing(Sequence waiting, int block) {
        return inFlightPrefixes.of(waiting.names().get(block));
    }

    @Override
    public int sharedByChoice(Sequence choice) {
        return states.isEmpty()
                ? choice.promptLength() - 1
                : prefixCache ? states.get().lastOfPrompt(choice) : 0;
    }

    @Override
    public Optional<Sequence> producerFor(Sequence sequence) {
        return admission.producerFor(sequence);
    }

    @Override
    public boolean fitsToCompletion(Sequence candidate, List<Sequence> running) {
        return admission.fitsToCompletion(candidate, running);
    }

    @Override
    public boolean fitsBeside(Sequence candidate, List<Sequence> others) {
        return admission.fitsBeside(candidate, others);
    }

    @Override
    public int room(Sequence sequence) {
        return reservations.room(sequence);
    }

    @Override
    public void trimReservation(Sequence sequence, int length) {
        reservations.set(sequence, demand.missing(sequence, length));
    }

    @Override
    public void prepareResources(StepPlan plan) {
        deferredFrees.sent();
        for (StepPlan.Row row : plan.rows()) {
            Sequence sequence = row.sequence();
            if (sequence.withoutKv()) {
                continue;
            }
            extend(sequence);
            SequenceBlocks blocks = sequence.blocks();
            row.extend(
                    blocks.hasUnsent() ? blocks.takeUnsent() : noBlocks,
                    fullBlockNames.name(sequence));
            windows.slide(sequence);
        }
        copies.moveTo(plan);
        states.ifPresent(snapshots -> snapshots.addTo(plan, prefixCache));
    }

    @Override
    public int cutRow(Sequence sequence, int count) {
        return prefixCache && states.isPresent() ? states.get().cut(sequence, count) : count;
    }

    /// Allocates what was reserved.
    private void extend(Sequence sequence) {
        int missing = demand.missing(sequence, sequence.computed());
        reservations.set(sequence, 0);
        for (int i = 0; i < missing; i++) {
            for (int group = 0; group < pools.groupCount(); group++) {
                sequence.blocks().table(group).append(pools.allocate(group));
            }
        }
    }

    @Override
    public void updateResources(StepPlan plan) {
        deferredFrees.completed();
    }

    @Override
    public void freeResources(Sequence sequence) {
        if (sequence.withoutKv()) {
            return;
        }
        if (prefixCache) {
            // Ids that have arrived since its last row may complete a block.
            fullBlockNames.name(sequence);
        }
        reservations.set(sequence, 0);
        inFlightPrefixes.left(sequence, states.isPresent() ? 0 : sequence.blocks().named());
        states.ifPresent(snapshots -> snapshots.left(sequence));
        for (int group = 0; group < pools.groupCount(); group++) {
            BlockTable table = sequence.blocks().table(group);
            deferredFrees.add(sequence, group, table.tail(table.dropped()));
            table.clear();
        }
    }

    @Override
    public void checkIntegrity(Iterable<Sequence> running) {
        int[][] holders = new int[pools.poolCount()][];
        for (int pool = 0; pool < holders.length; pool++) {
            holders[pool] = new int[pools.usable(pool) + 1];
        }
        for (Sequence sequence : running) {
            for (int group = 0; group < pools.groupCount(); group++) {
                BlockTable table = sequence.blocks().table(group);
                for (int i = table.dropped(); i < table.size(); i++) {
                    holders[pools.poolOf(group)][table.block(i)]++;
                }
            }
        }
        deferredFrees.count(holders);
        for (int pool = 0; pool < holders.length; pool++) {
            pools.pool(pool).checkIntegrity(holders[pool]);
            pools.cache(pool).checkIntegrity();
        }
        reservations.checkIntegrity(running);
        states.ifPresent(StateSnapshots::checkIntegrity);
    }
}
