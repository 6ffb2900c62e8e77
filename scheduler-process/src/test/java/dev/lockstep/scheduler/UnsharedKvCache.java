// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import dev.lockstep.cluster.BlockHash;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// A user-defined KV cache manager: one KV group, nothing shared, and blocks are freed at once,
/// which is enough where steps run in order.
final class UnsharedKvCache implements KvCacheManager {
    private final int blockSize;
    private final int blocks;
    private final ArrayDeque<Integer> free = new ArrayDeque<>();
    private final Map<Sequence, List<Integer>> tables = new HashMap<>();
    private final Map<Sequence, Integer> reserved = new HashMap<>();

    UnsharedKvCache(int blockSize, int blocks) {
        this.blockSize = blockSize;
        this.blocks = blocks;
        for (int block = 1; block < blocks; block++) {
            free.add(block);
        }
    }

    private int missing(Sequence sequence, int length) {
        int held = tables.getOrDefault(sequence, List.of()).size();
        return Math.max(0, Math.ceilDiv(length, blockSize) - held);
    }

    private int open() {
        return free.size() - reserved.values().stream().mapToInt(Integer::intValue).sum();
    }

    @Override
    public int maxTokens() {
        return (blocks - 1) * blockSize;
    }

    @Override
    public long blocks() {
        return blocks - 1L;
    }

    @Override
    public long freeBlocks() {
        return free.size();
    }

    @Override
    public long cachedBlocks() {
        return 0;
    }

    @Override
    public List<BlockHash> cachedNames() {
        return List.of();
    }

    @Override
    public boolean adopt(int kvGroup, int block, BlockHash name) {
        return false;
    }

    @Override
    public void beginPlan(long nanos) {
        reserved.clear();
    }

    @Override
    public boolean tryReserve(Sequence sequence, int length) {
        boolean fits = missing(sequence, length) <= open();
        if (fits) {
            reserved.put(sequence, missing(sequence, length));
        }
        return fits;
    }

    @Override
    public boolean canReserveSoon(Sequence sequence, int length) {
        return missing(sequence, length) <= open();
    }

    @Override
    public int tryAdmit(Sequence sequence) {
        return tryReserve(sequence, sequence.knownLength()) ? 0 : -1;
    }

    @Override
    public int cachedPrefix(Sequence sequence) {
        return 0;
    }

    @Override
    public boolean fitsToCompletion(Sequence candidate, List<Sequence> running) {
        return fitsBeside(candidate, running);
    }

    @Override
    public boolean fitsBeside(Sequence candidate, List<Sequence> others) {
        int needed = Math.ceilDiv(candidate.finalLength(), blockSize);
        for (Sequence each : others) {
            needed += Math.ceilDiv(each.finalLength(), blockSize);
        }
        return needed < blocks;
    }

    @Override
    public int room(Sequence sequence) {
        int held = tables.getOrDefault(sequence, List.of()).size();
        return (held + reserved.getOrDefault(sequence, 0) + Math.max(0, open())) * blockSize;
    }

    @Override
    public void trimReservation(Sequence sequence, int length) {
        reserved.put(sequence, missing(sequence, length));
    }

    @Override
    public Optional<Sequence> producerFor(Sequence sequence) {
        return Optional.empty();
    }

    @Override
    public void prepareResources(StepPlan plan) {
        for (StepPlan.Row row : plan.rows()) {
            int count = missing(row.sequence(), row.computed() + row.count());
            int[] fresh = new int[count];
            List<Integer> table = tables.computeIfAbsent(row.sequence(), any -> new ArrayList<>());
            for (int i = 0; i < count; i++) {
                fresh[i] = free.remove();
                table.add(fresh[i]);
            }
            row.extend(new int[][] {fresh}, List.of());
        }
    }

    @Override
    public void updateResources(StepPlan plan) {}

    @Override
    public void freeResources(Sequence sequence) {
        List<Integer> table = tables.remove(sequence);
        if (table != null) {
            free.addAll(table);
        }
    }
}
