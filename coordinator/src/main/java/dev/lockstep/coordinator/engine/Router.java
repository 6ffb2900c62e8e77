package dev.lockstep.coordinator.engine;

import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/// Picks the group that serves a request: of those that are ready for the model, the one where it
/// costs least. Pure.
///
/// What a request costs at a group is counted in tokens of prefill:
///
/// ```
/// cost = queued + FULL_TOKENS · sequences / slots − cached
/// ```
///
/// `queued` are prompt tokens that wait there to be computed, `cached` those of this prompt that it
/// need not compute. What all groups would have in common, the length of the prompt, is left out.
/// So a cached prefix draws requests to one group until the queue there eats up what it saves; then
/// one goes elsewhere, and from then on the prefix is cached there too.
final class Router {

    /// What a group with all slots taken costs a newcomer: 128 tokens for each of 64 sequences,
    /// about as much as it takes to decode an answer.
    static final int FULL_TOKENS = 8192;

    /// How busy a group is.
    ///
    /// @param sequences that run, wait or are on their way to it
    /// @param slots sequences that it runs at once
    /// @param queuedTokens of prompts that wait or are on their way
    record Load(int sequences, int slots, long queuedTokens, long freeBlocks) {}

    /// A group as its scheduler last told, and what was sent to it since.
    ///
    /// @param id names the scheduler among the candidates
    /// @param cachedTokens tokens of the request's prompt that its prefix cache has
    record Candidate(String id, String model, boolean ready, Load load, int cachedTokens) {

        double cost() {
            return load.queuedTokens
                    + (double) FULL_TOKENS * load.sequences / Math.max(1, load.slots)
                    - cachedTokens;
        }
    }

    private Router() {}

    /// @param excluded candidates that refused this request already
    /// @param turn any number, another for each request: who among equals is taken
    static Optional<Candidate> choose(
            List<Candidate> candidates, String model, Set<String> excluded, long turn) {
        Comparator<Candidate> order =
                Comparator.comparingDouble(Candidate::cost)
                        .thenComparing(each -> each.load().freeBlocks(), Comparator.reverseOrder());
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
