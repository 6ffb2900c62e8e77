package dev.lockstep.scheduler;

import dev.lockstep.cluster.BlockHash;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/// The longest cached prefix first, then order of arrival; who was passed over [#MOST_PASSED] times
/// goes before everybody else.
///
/// An index, not a scan: each sequence stands under the name of the first block it lacks, and moves
/// when that block is stored. What was evicted is found out when the sequence comes to the front.
public final class LongestPrefixOrder implements WaitingOrder, CacheEvents {
    /// Admissions of later sequences before an earlier one's turn comes whatever its prefix.
    static final int MOST_PASSED = 64;

    private static final int MOST_LOOKS = 16;

    private static final Comparator<Sequence> LONGEST =
            Comparator.comparingInt((Sequence sequence) -> sequence.rank)
                    .reversed()
                    .thenComparingLong(Sequence::arrival);

    private final TreeSet<Sequence> longest = new TreeSet<>(LONGEST);
    private final WaitingQueue oldest = new WaitingQueue();
    private final Map<BlockHash, TreeSet<Sequence>> lacking = new HashMap<>();
    private @Nullable Context context;
    private @Nullable Sequence watched;
    private int passed;

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
            throw new IllegalStateException("the order has not begun");
        }
        sequence.rank = context.cachedPrefix(sequence);
        longest.add(sequence);
        if (sequence.rank < sequence.names().count()) {
            lacking.computeIfAbsent(
                            lacked(sequence),
                            any -> new TreeSet<>(Comparator.comparingLong(Sequence::arrival)))
                    .add(sequence);
        }
    }

    private void displace(Sequence sequence) {
        longest.remove(sequence);
        if (sequence.rank < sequence.names().count()) {
            var name = lacked(sequence);
            var others = lacking.get(name);
            if (others != null) {
                others.remove(sequence);
                if (others.isEmpty()) {
                    lacking.remove(name);
                }
            }
        }
    }

    private static BlockHash lacked(Sequence sequence) {
        return sequence.names().get(sequence.rank);
    }

    @Override
    public void stored(BlockHash name) {
        var better = lacking.get(name);
        if (better != null) {
            for (var sequence : better.toArray(Sequence[]::new)) {
                displace(sequence);
                place(sequence);
            }
        }
    }

    @Override
    public void removed(BlockHash name) {}

    @Override
    public Optional<Sequence> first() {
        var old = oldest.first();
        if (old.isEmpty()) {
            return old;
        }
        if (watched != old.get()) {
            watched = old.get();
            passed = 0;
        }
        if (passed >= MOST_PASSED || context == null) {
            return old;
        }
        for (int look = 0; look < MOST_LOOKS; look++) {
            var best = longest.first();
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
        if (sequence != watched) {
            passed++;
        }
    }
}
