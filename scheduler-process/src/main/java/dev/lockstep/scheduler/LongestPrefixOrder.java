// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import dev.lockstep.cluster.BlockHash;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/// The longest cached prefix first, then order of arrival; the oldest sequence goes first after it
/// was passed over [#MAX_PASSED_OVER] times.
///
/// An index, not a scan: each sequence is filed under the name of the first block it lacks, and
/// moves when that block is stored. Evictions are detected when the sequence comes to the front.
public final class LongestPrefixOrder implements WaitingOrder, CacheEvents {
    /// Admissions of other sequences after which the oldest one goes first, whatever its prefix.
    static final int MAX_PASSED_OVER = 64;

    private static final int MAX_LOOKUPS = 16;

    private static final Comparator<Sequence> LONGEST =
            Comparator.comparingInt((Sequence sequence) -> sequence.rank)
                    .reversed()
                    .thenComparingLong(Sequence::arrival);

    private final TreeSet<Sequence> longest = new TreeSet<>(LONGEST);
    private final WaitingQueue oldest = new WaitingQueue();
    private final Map<BlockHash, TreeSet<Sequence>> lacking = new HashMap<>();
    private @Nullable Context context;
    private @Nullable Sequence oldestSeen;
    private int passedOver;

    @Override
    public String name() {
        return "longest-prefix";
    }

    @Override
    public void begin(Context context) {
        this.context = context;
    }

    @Override
    public void add(Sequence sequence) {
        oldest.add(sequence);
        place(sequence);
    }

    @Override
    public void remove(Sequence sequence) {
        oldest.remove(sequence);
        displace(sequence);
    }

    private void place(Sequence sequence) {
        if (context == null) {
            throw new IllegalStateException("begin was not called");
        }
        sequence.rank = context.cachedPrefix(sequence);
        longest.add(sequence);
        if (sequence.rank < sequence.names().count()) {
            lacking.computeIfAbsent(
                            firstLacked(sequence),
                            any -> new TreeSet<>(Comparator.comparingLong(Sequence::arrival)))
                    .add(sequence);
        }
    }

    private void displace(Sequence sequence) {
        longest.remove(sequence);
        if (sequence.rank < sequence.names().count()) {
            BlockHash name = firstLacked(sequence);
            TreeSet<Sequence> others = lacking.get(name);
            if (others != null) {
                others.remove(sequence);
                if (others.isEmpty()) {
                    lacking.remove(name);
                }
            }
        }
    }

    private static BlockHash firstLacked(Sequence sequence) {
        return sequence.names().get(sequence.rank);
    }

    @Override
    public void stored(BlockHash name) {
        TreeSet<Sequence> better = lacking.get(name);
        if (better != null) {
            for (Sequence sequence : better.toArray(Sequence[]::new)) {
                displace(sequence);
                place(sequence);
            }
        }
    }

    @Override
    public void removed(BlockHash name) {}

    @Override
    public boolean mayPass(Sequence shorter, Sequence first) {
        return true;
    }

    @Override
    public Optional<Sequence> first() {
        Optional<Sequence> old = oldest.first();
        if (old.isEmpty()) {
            return old;
        }
        if (oldestSeen != old.get()) {
            oldestSeen = old.get();
            passedOver = 0;
        }
        if (passedOver >= MAX_PASSED_OVER || context == null) {
            return old;
        }
        for (int lookup = 0; lookup < MAX_LOOKUPS; lookup++) {
            Sequence best = longest.first();
            if (context.cachedPrefix(best) >= best.rank) {
                break;
            }
            displace(best);
            place(best);
        }
        return Optional.of(longest.first());
    }

    @Override
    public void admitted(Sequence sequence, int cachedTokens) {
        if (sequence != oldestSeen) {
            passedOver++;
        }
    }
}
