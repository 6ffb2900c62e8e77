package dev.lockstep.scheduler;

import dev.lockstep.cluster.BlockHash;
import dev.lockstep.cluster.BlockHasher;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/// Paged KV memory with a prefix cache: a table per KV group, a pool and a [PrefixCache] per block
/// size.
///
/// A full block whose ids are known gets its name when the row that computes it is planned: steps
/// run in order, so a later step that finds it there finds it computed. Blocks that a sequence
/// gives up return when every step sent before has ended (law 4), and stay findable all the while.
///
/// Owned by the step loop's thread.
final class PagedKvCache implements KvCacheManager {
    private final int blockSize;
    private final int maxBatchedTokens;
    private final boolean prefixCache;
    private final BlockHasher hasher;
    private final CacheEvents events;
    private final List<KvGroup> groups;
    private final int[] poolOfGroup;
    private final BlockPool[] pools;
    private final PrefixCache[] caches;
    private final int[] groupsInPool;
    private final int[][] noBlocks;
    private final boolean windows;
    private final int chunkBlocks;

    // Of the plan being made.
    private final int[] reserved;
    private final List<Sequence> reserving = new ArrayList<>();
    private final List<StepPlan.BlockCopy> copies = new ArrayList<>();

    // Given up, waiting for the steps sent before.
    private final ArrayDeque<Retired> retired = new ArrayDeque<>();
    private final int[] returning;
    private long sent;
    private long completed;

    /// Running sequences by the names of the prompt blocks they are about to compute.
    private final Map<BlockHash, Sequence> producers = new HashMap<>();

    private final PrefixMatch match;

    /// Blocks of a pool that return when step `lastStep` has ended; position order.
    private record Retired(long lastStep, int pool, int[] blocks, int retention, int ttlSeconds) {}

    /// @param prefixCache whether sequences of different requests share blocks
    PagedKvCache(GroupShape shape, boolean prefixCache, BlockHasher hasher, CacheEvents events) {
        this.blockSize = shape.blockSize();
        this.maxBatchedTokens = shape.maxBatchedTokens();
        this.prefixCache = prefixCache;
        this.hasher = hasher;
        this.events = events;
        this.groups = shape.kvGroups();
        poolOfGroup = new int[groups.size()];
        var sizes = new ArrayList<Long>();
        for (int group = 0; group < groups.size(); group++) {
            long bytes = groups.get(group).bytesPerBlock();
            if (groups.get(group).kind() == KvGroup.Kind.STATE) {
                throw new IllegalArgumentException(
                        "KV group " + group + " is of kind STATE; FULL and WINDOW are served");
            }
            if (!sizes.contains(bytes)) {
                sizes.add(bytes);
            }
            poolOfGroup[group] = sizes.indexOf(bytes);
        }
        pools = new BlockPool[sizes.size()];
        caches = new PrefixCache[pools.length];
        for (int pool = 0; pool < pools.length; pool++) {
            pools[pool] = new BlockPool(shape.blocks());
            caches[pool] = new PrefixCache(shape.blocks(), blockSize, hasher);
        }
        groupsInPool = new int[pools.length];
        for (int pool : poolOfGroup) {
            groupsInPool[pool]++;
        }
        reserved = new int[pools.length];
        returning = new int[pools.length];
        noBlocks = new int[groups.size()][0];
        windows = groups.stream().anyMatch(group -> group.kind() == KvGroup.Kind.WINDOW);
        chunkBlocks = Math.ceilDiv(maxBatchedTokens, blockSize) + 1;
        match = new PrefixMatch(groups, blockSize, hasher, poolOfGroup, pools, caches);
    }

    @Override
    public int mostTokens() {
        int most = Integer.MAX_VALUE;
        for (int pool = 0; pool < pools.length; pool++) {
            most = Math.min(most, mostTokens(pool));
        }
        return most;
    }

    /// Blocks of full groups hold every position; those of window groups at most the window and
    /// what a step adds, which a small pool makes one token.
    private int mostTokens(int pool) {
        int full = 0;
        int left = pools[pool].usable();
        for (int group = 0; group < groups.size(); group++) {
            if (poolOfGroup[group] == pool) {
                if (groups.get(group).kind() == KvGroup.Kind.FULL) {
                    full++;
                } else {
                    left -= windowBlocks(groups.get(group), 1);
                }
            }
        }
        if (left < 0) {
            return Math.max(0, pools[pool].usable() / groupsInPool[pool] * blockSize);
        }
        return full == 0 ? Integer.MAX_VALUE : left / full * blockSize;
    }

    /// Blocks that cover a window before the positions of a row of `count` tokens.
    private int windowBlocks(KvGroup group, int count) {
        return Math.ceilDiv(group.window() - 1 + count, blockSize) + 1;
    }

    @Override
    public long blocks() {
        return Arrays.stream(pools).mapToLong(BlockPool::usable).sum();
    }

    @Override
    public long freeBlocks() {
        return Arrays.stream(pools).mapToLong(BlockPool::freeCount).sum();
    }

    @Override
    public long cachedBlocks() {
        return Arrays.stream(pools).mapToLong(BlockPool::retainedCount).sum();
    }

    @Override
    public List<BlockHash> cachedNames() {
        return caches[poolOfGroup[0]].names(0);
    }

    @Override
    public void beginPlan(long nanos) {
        Arrays.fill(reserved, 0);
        reserving.forEach(sequence -> sequence.reserved = 0);
        reserving.clear();
        long second = TimeUnit.NANOSECONDS.toSeconds(nanos);
        for (var pool : pools) {
            pool.advanceTo(second);
        }
    }

    @Override
    public boolean tryReserve(Sequence sequence, int length) {
        int missing = missingBlocks(sequence, length);
        for (int pool = 0; pool < pools.length; pool++) {
            if (missing * groupsInPool[pool] > pools[pool].freeCount() - reserved[pool]) {
                return false;
            }
        }
        reserve(sequence, missing);
        return true;
    }

    @Override
    public boolean canReserveSoon(Sequence sequence, int length) {
        int missing = missingBlocks(sequence, length);
        for (int pool = 0; pool < pools.length; pool++) {
            int soon = pools[pool].freeCount() + returning[pool] - reserved[pool];
            if (missing * groupsInPool[pool] > soon) {
                return false;
            }
        }
        return true;
    }

    private void reserve(Sequence sequence, int missing) {
        for (int pool = 0; pool < pools.length; pool++) {
            reserved[pool] += (missing - sequence.reserved) * groupsInPool[pool];
        }
        if (sequence.reserved == 0 && missing > 0) {
            reserving.add(sequence);
        }
        sequence.reserved = missing;
    }

    /// Window groups give blocks back while a long prompt runs: there no more is asked for than one
    /// step can fill.
    private int missingBlocks(Sequence sequence, int length) {
        int missing = Math.max(0, Math.ceilDiv(length, blockSize) - sequence.blockCount());
        return windows ? Math.min(missing, chunkBlocks) : missing;
    }

    @Override
    public int tryAdmit(Sequence sequence) {
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
        sequence.foundFrom = match.producer();
        sequence.reserved = 0;
        sequence.publishedBlocks = match.blocks();
        sequence.toldBlocks = 0;
        sequence.toldNames = match.blocks();
        if (match.partialTokens() > 0) {
            copyPartial(sequence);
            missing--;
        }
        reserve(sequence, windows ? 1 : missing);
        if (prefixCache) {
            announce(sequence);
        }
        return match.tokens();
    }

    /// Whether there are blocks for what the match leaves of so many tokens.
    private boolean fits(int known) {
        int missing = Math.ceilDiv(known, blockSize) - match.blocks();
        for (int pool = 0; pool < pools.length; pool++) {
            int needed = match.revived(pool);
            for (int group = 0; group < groups.size(); group++) {
                needed += poolOfGroup[group] == pool ? admissionBlocks(group, missing) : 0;
            }
            if (needed > pools[pool].freeCount() - reserved[pool]) {
                return false;
            }
        }
        return true;
    }

    /// All that is missing in a full group; in a window group what one step can fill, and no more
    /// than half of a small pool.
    private int admissionBlocks(int group, int missing) {
        if (groups.get(group).kind() == KvGroup.Kind.FULL) {
            return missing;
        }
        int pool = poolOfGroup[group];
        int share = Math.max(1, pools[pool].usable() / (2 * groupsInPool[pool]));
        return Math.min(missing, Math.min(chunkBlocks, share));
    }

    /// The last token is always computed: its logits are wanted.
    private void findShared(Sequence sequence) {
        int most = sequence.knownLength() - 1;
        match.reset();
        if (prefixCache) {
            sequence.nameBlocks(sequence.knownLength() / blockSize, blockSize, hasher);
            match.find(sequence, most);
        }
        sequence.leader()
                .filter(leader -> leader.state() == Sequence.State.RUNNING)
                .ifPresent(leader -> match.share(leader, Math.min(most, sequence.promptLength())));
    }

    /// Copies the beginning of a block that agrees only so far; done before the rows of the step.
    private void copyPartial(Sequence sequence) {
        // Held until the plan is made: nobody else's copy may go there before.
        for (int group = 0; group < groups.size(); group++) {
            pools[poolOfGroup[group]].retain(match.partialSource(group));
        }
        for (int group = 0; group < groups.size(); group++) {
            int block = allocate(poolOfGroup[group]);
            sequence.tables[group].append(block);
            copies.add(
                    new StepPlan.BlockCopy(
                            group, match.partialSource(group), block, match.partialTokens()));
        }
    }

    private int allocate(int pool) {
        int block = pools[pool].allocate();
        if (caches[pool].isNamed(block)) {
            if (caches[pool].group(block) == 0) {
                events.removed(caches[pool].name(block));
            }
            caches[pool].forget(block);
        }
        return block;
    }

    /// Whoever comes with the same prompt waits for the blocks that this one will compute.
    private void announce(Sequence sequence) {
        int full = sequence.promptLength() / blockSize;
        for (int block = match.blocks(); block < full; block++) {
            producers.putIfAbsent(name(sequence, block), sequence);
        }
    }

    private static BlockHash name(Sequence sequence, int block) {
        return new BlockHash(sequence.nameHigh(block), sequence.nameLow(block));
    }

    @Override
    public int cachedPrefix(Sequence sequence) {
        if (!prefixCache) {
            return 0;
        }
        sequence.nameBlocks(sequence.knownLength() / blockSize, blockSize, hasher);
        return match.countBlocks(sequence, sequence.knownLength() - 1);
    }

    @Override
    public Optional<Sequence> producerFor(Sequence sequence) {
        var leader = sequence.leader();
        if (leader.isPresent()
                && leader.get().state() == Sequence.State.RUNNING
                && leader.get().computed() < sequence.promptLength() - 1) {
            return leader;
        }
        if (!prefixCache || producers.isEmpty()) {
            return Optional.empty();
        }
        int found = cachedPrefix(sequence);
        if ((found + 1) * blockSize > sequence.knownLength() - 1) {
            return Optional.empty();
        }
        return Optional.ofNullable(producers.get(name(sequence, found)));
    }

    @Override
    public boolean fitsToCompletion(Sequence candidate, List<Sequence> running) {
        if (running.isEmpty()) {
            // Who fits into all memory was taken in.
            return true;
        }
        findShared(candidate);
        match.dropPartial();
        for (int pool = 0; pool < pools.length; pool++) {
            // Not what returns soon: another may hold it too.
            long open = pools[pool].freeCount() - (long) match.revived(pool);
            for (int group = 0; group < groups.size(); group++) {
                if (poolOfGroup[group] == pool) {
                    open -= Math.max(0, finalBlocks(candidate, group) - match.held(group));
                    for (var sequence : running) {
                        var table = sequence.tables[group];
                        int held = table.size() - table.dropped();
                        open -= Math.max(0, finalBlocks(sequence, group) - held);
                    }
                }
            }
            if (open < 0) {
                return false;
            }
        }
        return true;
    }

    @Override
    public boolean fitsBeside(Sequence candidate, List<Sequence> company) {
        if (company.isEmpty()) {
            return true;
        }
        for (int pool = 0; pool < pools.length; pool++) {
            long open = pools[pool].usable();
            for (int group = 0; group < groups.size(); group++) {
                if (poolOfGroup[group] == pool) {
                    open -= finalBlocks(candidate, group);
                    for (var sequence : company) {
                        open -= finalBlocks(sequence, group);
                    }
                }
            }
            if (open < 0) {
                return false;
            }
        }
        return true;
    }

    /// The most blocks a sequence will hold at once in a group.
    private int finalBlocks(Sequence sequence, int group) {
        int all = Math.ceilDiv(sequence.finalLength(), blockSize);
        var kvGroup = groups.get(group);
        return kvGroup.kind() == KvGroup.Kind.FULL
                ? all
                : Math.min(all, windowBlocks(kvGroup, maxBatchedTokens));
    }

    @Override
    public int room(Sequence sequence) {
        int blocks = Integer.MAX_VALUE;
        for (int pool = 0; pool < pools.length; pool++) {
            int open = Math.max(0, pools[pool].freeCount() - reserved[pool]);
            blocks = Math.min(blocks, sequence.reserved + open / groupsInPool[pool]);
        }
        return Math.multiplyExact(Math.min(blocks, 1 << 24) + sequence.blockCount(), blockSize);
    }

    @Override
    public void settle(Sequence sequence, int length) {
        reserve(sequence, missingBlocks(sequence, length));
    }

    @Override
    public void prepareResources(StepPlan plan) {
        sent++;
        for (var row : plan.rows()) {
            var sequence = row.sequence();
            extend(sequence, sequence.computed());
            publish(sequence);
            row.tell(newBlocks(sequence), newNames(sequence));
            slide(sequence);
        }
        plan.copies().addAll(copies);
        for (var copy : copies) {
            pools[poolOfGroup[copy.kvGroup()]].release(copy.from());
        }
        copies.clear();
    }

    private void extend(Sequence sequence, int length) {
        int missing = missingBlocks(sequence, length);
        reserve(sequence, 0);
        for (int i = 0; i < missing; i++) {
            for (int group = 0; group < groups.size(); group++) {
                sequence.tables[group].append(allocate(poolOfGroup[group]));
            }
        }
    }

    private int[][] newBlocks(Sequence sequence) {
        int told = sequence.toldBlocks;
        if (told == sequence.blockCount()) {
            return noBlocks;
        }
        var blocks = new int[groups.size()][];
        for (int group = 0; group < blocks.length; group++) {
            blocks[group] = sequence.tables[group].tail(told);
        }
        sequence.toldBlocks = sequence.blockCount();
        return blocks;
    }

    private List<BlockHash> newNames(Sequence sequence) {
        int full = fullKnownBlocks(sequence);
        int told = sequence.toldNames;
        if (told >= full) {
            return List.of();
        }
        sequence.nameBlocks(full, blockSize, hasher);
        var names = new ArrayList<BlockHash>(full - told);
        for (int block = told; block < full; block++) {
            names.add(name(sequence, block));
        }
        sequence.toldNames = full;
        return names;
    }

    /// A name needs every id of its block. With two steps in flight a decode row may fill a block
    /// whose last id is not back yet: that block is named with a later row.
    private int fullKnownBlocks(Sequence sequence) {
        return Math.min(sequence.computed(), sequence.knownLength()) / blockSize;
    }

    /// Makes the full blocks of a sequence findable.
    private void publish(Sequence sequence) {
        int full = fullKnownBlocks(sequence);
        if (!prefixCache || full <= sequence.publishedBlocks) {
            return;
        }
        sequence.nameBlocks(full, blockSize, hasher);
        var root = sequence.root(hasher);
        for (int block = sequence.publishedBlocks; block < full; block++) {
            int[] ids = sequence.idsOfBlock(block, blockSize);
            var name = name(sequence, block);
            for (int group = 0; group < groups.size(); group++) {
                var table = sequence.tables[group];
                if (block >= table.dropped()) {
                    name(sequence, group, block, ids, root);
                }
            }
            producers.remove(name, sequence);
        }
        sequence.publishedBlocks = full;
    }

    private void name(Sequence sequence, int group, int index, int[] ids, BlockHash root) {
        int pool = poolOfGroup[group];
        var table = sequence.tables[group];
        int before = index == 0 ? PrefixCache.NONE : match.find(sequence, group, index - 1);
        boolean first =
                caches[pool].name(
                        table.block(index),
                        group,
                        sequence.nameHigh(index),
                        sequence.nameLow(index),
                        before,
                        root,
                        ids,
                        (int) sequence.arrival());
        if (first && group == 0) {
            events.stored(name(sequence, index));
        }
    }

    /// Gives back the blocks that a window has left behind: no later query reads them.
    private void slide(Sequence sequence) {
        for (int group = 0; group < groups.size(); group++) {
            var kvGroup = groups.get(group);
            if (kvGroup.kind() != KvGroup.Kind.WINDOW) {
                continue;
            }
            int first = Math.max(0, sequence.computed() - kvGroup.window() + 1);
            var table = sequence.tables[group];
            int behind = Math.min(first / blockSize, table.size()) - table.dropped();
            if (behind > 0) {
                var left = new int[behind];
                for (int i = 0; i < behind; i++) {
                    left[i] = table.drop();
                }
                retire(sequence, poolOfGroup[group], left);
            }
        }
    }

    @Override
    public void updateResources(StepPlan plan) {
        completed++;
        while (!retired.isEmpty() && retired.peek().lastStep() <= completed) {
            var back = retired.remove();
            returning[back.pool()] -= back.blocks().length;
            release(back);
        }
    }

    @Override
    public void freeResources(Sequence sequence) {
        publish(sequence);
        reserve(sequence, 0);
        if (!producers.isEmpty()) {
            int full = Math.min(sequence.promptLength() / blockSize, sequence.nameCount());
            for (int block = sequence.publishedBlocks; block < full; block++) {
                producers.remove(name(sequence, block), sequence);
            }
        }
        for (int group = 0; group < groups.size(); group++) {
            var table = sequence.tables[group];
            retire(sequence, poolOfGroup[group], table.tail(table.dropped()));
            table.clear();
        }
        sequence.publishedBlocks = 0;
    }

    private void retire(Sequence sequence, int pool, int[] blocks) {
        var terms = sequence.terms();
        var leaving =
                new Retired(sent, pool, blocks, terms.cachePriority(), terms.cacheTtlSeconds());
        if (sent == completed) {
            release(leaving);
        } else {
            returning[pool] += blocks.length;
            retired.add(leaving);
        }
    }

    /// Gives blocks back, last position first: of two free blocks of a chain the later one, useless
    /// without the earlier, is reused first.
    private void release(Retired back) {
        for (int i = back.blocks().length - 1; i >= 0; i--) {
            release(back.pool(), back.blocks()[i], back.retention(), back.ttlSeconds());
        }
    }

    private void release(int pool, int block, int retention, int ttlSeconds) {
        boolean named = caches[pool].isNamed(block);
        pools[pool].release(block, named ? retention : BlockPool.WORTHLESS, ttlSeconds);
    }

    @Override
    public boolean adopt(int kvGroup, int block, BlockHash name) {
        int pool = poolOfGroup[kvGroup];
        if (!prefixCache
                || block <= BlockPool.NULL_BLOCK
                || block > pools[pool].usable()
                || !caches[pool].nameOnly(block, kvGroup, name)) {
            return false;
        }
        pools[pool].retain(block);
        pools[pool].release(block, BlockPool.DEFAULT_PRIORITY, 0);
        if (kvGroup == 0) {
            events.stored(name);
        }
        return true;
    }

    @Override
    public void checkIntegrity(Iterable<Sequence> running) {
        var found = new int[pools.length][];
        var away = new int[pools.length];
        for (int pool = 0; pool < pools.length; pool++) {
            found[pool] = new int[pools[pool].usable() + 1];
        }
        for (var sequence : running) {
            for (int group = 0; group < groups.size(); group++) {
                var table = sequence.tables[group];
                for (int i = table.dropped(); i < table.size(); i++) {
                    found[poolOfGroup[group]][table.block(i)]++;
                }
            }
        }
        for (var back : retired) {
            away[back.pool()] += back.blocks().length;
            for (int block : back.blocks()) {
                found[back.pool()][block]++;
            }
        }
        int setAside = 0;
        for (var sequence : running) {
            setAside += sequence.reserved;
        }
        for (int pool = 0; pool < pools.length; pool++) {
            pools[pool].checkIntegrity(found[pool]);
            caches[pool].checkIntegrity();
            if (setAside * groupsInPool[pool] != reserved[pool]) {
                throw new IllegalStateException(
                        "pool "
                                + pool
                                + " counts "
                                + reserved[pool]
                                + " reserved blocks, found "
                                + setAside * groupsInPool[pool]);
            }
            if (away[pool] != returning[pool]) {
                throw new IllegalStateException(
                        "pool "
                                + pool
                                + " counts "
                                + returning[pool]
                                + " returning blocks, found "
                                + away[pool]);
            }
        }
    }
}
