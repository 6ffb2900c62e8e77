// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator.engine;

import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/// Chooses the group that serves a request: of those that are open for the model, the one with the
/// lowest cost. Stateless.
///
/// The cost of a request at a group is measured in tokens of prefill:
///
/// ```
/// cost = queued + FULL_TOKENS · sequences / slots − cached
/// ```
///
/// `queued` are the prompt tokens that wait there, `cached` the tokens of this prompt that the
/// group need not compute. The length of the prompt is left out, because it is the same for all
/// groups. So a cached prefix attracts requests to one group until the queue there costs more than
/// the prefix saves; then one request goes to another group, and the prefix is cached there too.
final class Router {

    /// The cost of a group whose slots are all occupied: 128 tokens for each of 64 sequences, about
    /// the time that decoding a response takes.
    static final int FULL_TOKENS = 8192;

    /// The load of a group.
    ///
    /// @param sequences the number that run, wait or are being sent to it
    /// @param slots the number of sequences that it runs at once
    /// @param queuedTokens tokens of prompts that wait or are being sent to it
    record Load(int sequences, int slots, long queuedTokens, long freeBlocks) {}

    /// A group as its scheduler last reported it, plus the requests sent to it since.
    ///
    /// @param id identifies the scheduler among the candidates
    /// @param open whether it accepts the request
    /// @param cachedTokens tokens of the request's prompt in its prefix cache
    record Candidate(String id, String model, boolean open, Load load, int cachedTokens) {

        double cost() {
            return load.queuedTokens
                    + (double) FULL_TOKENS * load.sequences / Math.max(1, load.slots)
                    - cachedTokens;
        }
    }

    private Router() {}

    /// Returns the candidate with the lowest cost, among equals the one with more free blocks.
    ///
    /// @param excluded candidates that already refused this request
    /// @param turn any number, different for each request: it selects among equal candidates
    static Optional<Candidate> choose(
            List<Candidate> candidates, String model, Set<String> excluded, long turn) {
        Comparator<Candidate> order =
                Comparator.comparingDouble(Candidate::cost)
                        .thenComparing(each -> each.load().freeBlocks(), Comparator.reverseOrder());
        List<Candidate> eligible =
                candidates.stream()
                        .filter(each -> each.open() && each.model().equals(model))
                        .filter(each -> !excluded.contains(each.id()))
                        .sorted(order)
                        .toList();
        if (eligible.isEmpty()) {
            return Optional.empty();
        }
        List<Candidate> cheapest =
                eligible.stream()
                        .takeWhile(each -> order.compare(each, eligible.getFirst()) == 0)
                        .toList();
        return Optional.of(cheapest.get((int) Long.remainderUnsigned(turn, cheapest.size())));
    }
}
