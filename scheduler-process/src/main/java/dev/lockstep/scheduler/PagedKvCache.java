package dev.lockstep.scheduler;

import dev.lockstep.cluster.BlockHash;
import dev.lockstep.cluster.BlockHasher;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/// Paged KV memory with a prefix cache: a table per KV group, a pool and a [PrefixCache] per block
/// size. [KvAdmission] says who gets in and what is shared, [Reservations] keep a plan from taking
/// what an older sequence needs, [FindableBlocks] name what is computed, and [RetiredBlocks] bring
/// back what was given up.
///
/// Owned by the step loop's thread.
final class PagedKvCache implements KvCacheManager {
    private final KvPools pools;
    private final KvDemand demand;
    private final Reservations reservations;
    private final RetiredBlocks retired;
    private final SlidingWindows windows;
    private final Producers producers;
    private final PartialCopies copies;
    private final KvAdmission admission;
    private final FindableBlocks findable;
    private final int[][] noBlocks;

    /// @param prefixCache whether sequences of different requests share blocks
    PagedKvCache(GroupShape shape, boolean prefixCache, BlockHasher hasher, CacheEvents events) {
        pools = new KvPools(shape, hasher, events);
        demand = new KvDemand(pools, shape.maxBatchedTokens());
        reservations = new Reservations(pools);
        retired = new RetiredBlocks(pools);
        windows = new SlidingWindows(pools, retired);
        producers = new Producers(shape.blockSize());
        copies = new PartialCopies(pools);
        admission =
                new KvAdmission(
                        pools, demand, reservations, copies, producers, prefixCache, hasher);
        findable = new FindableBlocks(pools, prefixCache, hasher, events, producers);
        noBlocks = new int[pools.groupCount()][0];
    }

    @Override
    public int mostTokens() {
        return demand.mostTokens();
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
        return findable.adopt(kvGroup, block, name);
    }

    @Override
    public void beginPlan(long nanos) {
        reservations.begin();
        pools.advanceTo(TimeUnit.NANOSECONDS.toSeconds(nanos));
    }

    @Override
    public boolean tryReserve(Sequence sequence, int length) {
        return reservations.trySet(sequence, demand.missing(sequence, length));
    }

    @Override
    public boolean canReserveSoon(Sequence sequence, int length) {
        int missing = demand.missing(sequence, length);
        for (int pool = 0; pool < pools.poolCount(); pool++) {
            int soon = reservations.open(pool) + retired.returning(pool);
            if (missing * pools.groupsIn(pool) > soon) {
                return false;
            }
        }
        return true;
    }

    @Override
    public int tryAdmit(Sequence sequence) {
        return admission.tryAdmit(sequence);
    }

    @Override
    public int cachedPrefix(Sequence sequence) {
        return admission.cachedPrefix(sequence);
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
    public boolean fitsBeside(Sequence candidate, List<Sequence> company) {
        return admission.fitsBeside(candidate, company);
    }

    @Override
    public int room(Sequence sequence) {
        return reservations.room(sequence);
    }

    @Override
    public void settle(Sequence sequence, int length) {
        reservations.set(sequence, demand.missing(sequence, length));
    }

    @Override
    public void prepareResources(StepPlan plan) {
        retired.sent();
        for (var row : plan.rows()) {
            var sequence = row.sequence();
            if (sequence.withoutKv()) {
                continue;
            }
            extend(sequence);
            findable.publish(sequence);
            row.tell(newBlocks(sequence), findable.newNames(sequence));
            windows.slide(sequence);
        }
        copies.moveTo(plan);
    }

    /// Takes what was reserved.
    private void extend(Sequence sequence) {
        int missing = demand.missing(sequence, sequence.computed());
        reservations.set(sequence, 0);
        for (int i = 0; i < missing; i++) {
            for (int group = 0; group < pools.groupCount(); group++) {
                sequence.tables[group].append(pools.allocate(group));
            }
        }
    }

    private int[][] newBlocks(Sequence sequence) {
        int told = sequence.toldBlocks;
        if (told == sequence.blockCount()) {
            return noBlocks;
        }
        var blocks = new int[pools.groupCount()][];
        for (int group = 0; group < blocks.length; group++) {
            blocks[group] = sequence.tables[group].tail(told);
        }
        sequence.toldBlocks = sequence.blockCount();
        return blocks;
    }

    @Override
    public void updateResources(StepPlan plan) {
        retired.completed();
    }

    @Override
    public void freeResources(Sequence sequence) {
        if (sequence.withoutKv()) {
            return;
        }
        findable.publish(sequence);
        reservations.set(sequence, 0);
        producers.left(sequence);
        for (int group = 0; group < pools.groupCount(); group++) {
            var table = sequence.tables[group];
            retired.add(sequence, group, table.tail(table.dropped()));
            table.clear();
        }
        sequence.publishedBlocks = 0;
    }

    @Override
    public void checkIntegrity(Iterable<Sequence> running) {
        var holders = new int[pools.poolCount()][];
        for (int pool = 0; pool < holders.length; pool++) {
            holders[pool] = new int[pools.usable(pool) + 1];
        }
        for (var sequence : running) {
            for (int group = 0; group < pools.groupCount(); group++) {
                var table = sequence.tables[group];
                for (int i = table.dropped(); i < table.size(); i++) {
                    holders[pools.poolOf(group)][table.block(i)]++;
                }
            }
        }
        retired.count(holders);
        for (int pool = 0; pool < holders.length; pool++) {
            pools.pool(pool).checkIntegrity(holders[pool]);
            pools.cache(pool).checkIntegrity();
        }
        reservations.checkIntegrity(running);
    }
}
