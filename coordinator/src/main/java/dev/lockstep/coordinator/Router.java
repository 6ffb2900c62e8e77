package dev.lockstep.coordinator;

import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/// Picks the group that serves a request: of those that are ready for the model, the one with the
/// least to do for its size. Pure.
final class Router {

    /// A group as its scheduler last told, and what was sent to it since.
    ///
    /// @param id names the scheduler among the candidates
    /// @param sent choices sent to it that its numbers cannot hold yet
    record Candidate(
            String id,
            String model,
            boolean ready,
            int running,
            int waiting,
            int sent,
            int maxSequences,
            long freeBlocks) {

        /// Sequences it has, in parts of what it runs at once.
        double load() {
            return (running + waiting + (double) sent) / Math.max(1, maxSequences);
        }
    }

    private Router() {}

    /// @param excluded candidates that refused this request already
    /// @param turn any number, another for each request: who among equals is taken
    static Optional<Candidate> choose(
            List<Candidate> candidates, String model, Set<String> excluded, long turn) {
        Comparator<Candidate> order =
                Comparator.comparingDouble(Candidate::load)
                        .thenComparing(Candidate::freeBlocks, Comparator.reverseOrder());
        List<Candidate> able =
                candidates.stream()
                        .filter(each -> each.ready() && each.model().equals(model))
                        .filter(each -> !excluded.contains(each.id()))
                        .sorted(order)
                        .toList();
        if (able.isEmpty()) {
            return Optional.empty();
        }
        List<Candidate> equals =
                able.stream().takeWhile(each -> order.compare(each, able.getFirst()) == 0).toList();
        return Optional.of(equals.get((int) Long.remainderUnsigned(turn, equals.size())));
    }
}
