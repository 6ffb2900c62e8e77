// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import dev.lockstep.cluster.BlockHash;
import dev.lockstep.cluster.BlockHasher;
import java.util.ArrayList;
import java.util.List;

/// Copies of states for the prefix cache, in models with layers that keep a state of each sequence.
///
/// The state of a running sequence is in the line of its slot and changes with every token, so that
/// it cannot be shared. Where a sequence ends a row at a border, the step of its next row copies
/// the state to a line of a snapshot first; a sequence that finds the prefix up to there begins
/// with a copy of that line. Copies are made in the order of a plan, before its rows, and steps run
/// in order: so a snapshot needs no holder, and can be found and reused from the next plan on.
///
/// Borders are every [#INTERVAL] blocks, and the last block border of a prompt, where the next turn
/// of a conversation goes on, unless so little of the prompt would be saved that it is not worth a
/// step. There are as many snapshots as slots, reused by retention priority. One in the middle of a
/// prompt goes before one at an end, until a sequence has found it: so a long prompt takes the
/// snapshots of others at its end only. Owned by the step loop's thread.
final class StateSnapshots {
    /// Blocks between two borders.
    static final int INTERVAL = 16;

    /// The fewest blocks between a border and the one at the end of a prompt.
    static final int LEAST = 4;

    private final int group;
    private final int slots;
    private final int blockSize;
    private final BlockPool pool;
    private final PrefixCache cache;
    private final InFlightPrefixes inFlightPrefixes;
    private final List<Beginning> beginnings = new ArrayList<>();

    /// A sequence that is being admitted, and the snapshot that it begins with.
    private record Beginning(Sequence sequence, int snapshot) {}

    /// @param group number of the KV group of states, which copies name
    StateSnapshots(
            GroupShape shape, int group, BlockHasher hasher, InFlightPrefixes inFlightPrefixes) {
        this.group = group;
        this.slots = shape.maxSequences();
        this.blockSize = shape.blockSize();
        this.inFlightPrefixes = inFlightPrefixes;
        pool = new BlockPool(slots + 1);
        cache = new PrefixCache(slots + 1, shape.blockSize(), hasher);
    }

    /// Returns the most blocks, up to `max`, at whose end a sequence finds a snapshot; 0 if at
    /// none.
    int longest(Sequence sequence, int max) {
        int blocks = max;
        while (blocks > 0 && find(sequence, blocks) == PrefixCache.NONE) {
            blocks--;
        }
        return blocks;
    }

    private int find(Sequence sequence, int blocks) {
        return cache.find(0, sequence.names().high(blocks - 1), sequence.names().low(blocks - 1));
    }

    /// Copies a snapshot to the slot of a sequence once the plan is made.
    ///
    /// @param blocks as [#longest] returned
    void load(Sequence sequence, int blocks) {
        int snapshot = find(sequence, blocks);
        pool.retain(snapshot);
        release(snapshot, sequence);
        beginnings.add(new Beginning(sequence, snapshot));
    }

    /// Releases a snapshot that was found, or that is at the end of a prompt: of its priority it is
    /// the last to be reused.
    private void release(int snapshot, Sequence sequence) {
        SchedulingOptions options = sequence.options();
        pool.release(snapshot, options.cachePriority(), options.cacheTtlSeconds());
    }

    /// Releases a snapshot that nothing has found yet. One of the default priority stays below it
    /// for ever.
    private void releaseBelow(int snapshot, Sequence sequence) {
        int priority = sequence.options().cachePriority();
        boolean expires = priority != BlockPool.DEFAULT_PRIORITY;
        pool.release(
                snapshot,
                Math.max(BlockPool.WORTHLESS + 1, priority - 1),
                expires ? sequence.options().cacheTtlSeconds() : 0);
    }

    /// Returns how many of `count` positions the next row of a sequence may have: it ends at the
    /// next border.
    int cut(Sequence sequence, int count) {
        return Math.min(count, nextBorder(sequence, sequence.computed()) - sequence.computed());
    }

    /// Announces the borders that an admitted sequence is about to reach in its prompt.
    ///
    /// @param computed positions that it begins with
    void announce(Sequence sequence, int computed) {
        int border = nextBorder(sequence, computed);
        while (border < sequence.promptLength()) {
            inFlightPrefixes.announce(sequence.names().get(border / blockSize - 1), sequence);
            border = nextBorder(sequence, border);
        }
    }

    private int nextBorder(Sequence sequence, int position) {
        int apart = INTERVAL * blockSize;
        int regular = (position / apart + 1) * apart;
        int last = lastOfPrompt(sequence);
        return last > position ? Math.min(last, regular) : regular;
    }

    /// Returns the last border in the prompt of a sequence; 0 if there is none.
    int lastOfPrompt(Sequence sequence) {
        int blocks = (sequence.promptLength() - 1) / blockSize;
        int apart = blocks % INTERVAL;
        return (apart < LEAST ? blocks - apart : blocks) * blockSize;
    }

    /// Adds the copies of a plan: first to the slots of what it admits, then of the states that its
    /// rows begin with.
    ///
    /// @param take whether snapshots are taken
    void addTo(StepPlan plan, boolean take) {
        for (Beginning beginning : beginnings) {
            copy(plan, line(beginning.snapshot()), beginning.sequence().slot());
        }
        beginnings.clear();
        if (take) {
            for (StepPlan.Row row : plan.rows()) {
                Sequence sequence = row.sequence();
                if (!sequence.withoutKv() && isBorder(sequence, row.computed())) {
                    take(sequence, row.computed(), plan);
                }
            }
        }
    }

    /// Whether the state of a sequence is kept at a position, the names of the blocks before it
    /// being known.
    boolean isBorder(Sequence sequence, int position) {
        return position > 0
                && (position % (INTERVAL * blockSize) == 0 || position == lastOfPrompt(sequence))
                && position <= sequence.names().count() * blockSize;
    }

    private void take(Sequence sequence, int position, StepPlan plan) {
        int blocks = position / blockSize;
        BlockHash name = sequence.names().get(blocks - 1);
        int found = find(sequence, blocks);
        if (found != PrefixCache.NONE) {
            pool.retain(found);
            release(found, sequence);
        } else {
            int snapshot = pool.allocate();
            if (cache.isNamed(snapshot)) {
                cache.forget(snapshot);
            }
            cache.nameOnly(snapshot, 0, name);
            if (position == lastOfPrompt(sequence)) {
                release(snapshot, sequence);
            } else {
                releaseBelow(snapshot, sequence);
            }
            copy(plan, sequence.slot(), line(snapshot));
        }
        inFlightPrefixes.published(name, sequence);
    }

    private void copy(StepPlan plan, int from, int to) {
        plan.copies().add(new StepPlan.BlockCopy(group, from, to, 0));
    }

    /// Returns the line of a snapshot: they follow those of the slots.
    private int line(int snapshot) {
        return slots + snapshot - 1;
    }

    /// Forgets a sequence that leaves before its plan is made.
    void left(Sequence sequence) {
        beginnings.removeIf(beginning -> beginning.sequence() == sequence);
    }

    /// Expires the retention priorities whose time has come.
    void advanceTo(long second) {
        pool.advanceTo(second);
    }

    void checkIntegrity() {
        pool.checkIntegrity(new int[slots + 1]);
        cache.checkIntegrity();
    }
}
