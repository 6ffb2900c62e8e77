package dev.lockstep.scheduler.process;

import dev.lockstep.scheduler.Sequence;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;

/// Sequences whose group was lost before they started: they wait a while for the next group of the
/// same model.
final class ParkedSequences {
    /// They wait so long.
    static final Duration LONGEST = Duration.ofSeconds(30);

    private final List<Sequence> parked = new ArrayList<>();
    private String modelDigest = "";
    private long sinceNanos;

    int count() {
        return parked.size();
    }

    /// A group of this model was lost.
    void add(List<Sequence> sequences, String digest, long nanos) {
        modelDigest = digest;
        sinceNanos = nanos;
        parked.addAll(sequences);
    }

    /// False when it is not among them.
    boolean remove(Sequence sequence) {
        return parked.remove(sequence);
    }

    /// Takes everybody out, in their old order.
    List<Sequence> takeAll() {
        var all = List.copyOf(parked);
        parked.clear();
        return all;
    }

    /// Whether a group of this model can go on with them.
    boolean fit(String digest) {
        return modelDigest.equals(digest);
    }

    boolean waitedTooLong(long nanos) {
        return !parked.isEmpty() && nanos - sinceNanos > LONGEST.toNanos();
    }
}
