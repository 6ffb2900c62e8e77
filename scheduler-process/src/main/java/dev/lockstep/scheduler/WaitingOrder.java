// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.List;
import java.util.Optional;

/// Decides which waiting sequence goes next. Implementations are found by [java.util.ServiceLoader]
/// and chosen by name; each group gets a new instance.
public interface WaitingOrder {
    /// The value of `--waiting-order` that chooses it.
    String name();

    /// What an order can query and report.
    interface Context {
        /// Returns how many full blocks at the beginning of a waiting sequence are in the cache
        /// now.
        int cachedPrefix(Sequence waiting);

        /// Reports to the timeline of a waiting sequence that a later one of another tenant was
        /// admitted first.
        default void passedOver(Sequence waiting) {}

        /// Returns the weight of a tenant from `--tenant-weights`; 1 for tenants it does not name.
        double weight(String tenant);
    }

    /// Called once, before the order is used.
    default void begin(Context context) {}

    /// Adds a sequence: it is new, was preempted, or no longer waits for the blocks of another
    /// sequence.
    void add(Sequence sequence);

    /// Removes a waiting sequence: it is admitted next, has ended, or waits until another sequence
    /// has computed blocks.
    void remove(Sequence sequence);

    /// Returns the sequence that goes next; the same one until a sequence is added, removed or
    /// served.
    Optional<Sequence> first();

    /// Called when a sequence was admitted; `cachedTokens` of its known ids were found in the
    /// cache.
    default void admitted(Sequence sequence, int cachedTokens) {}

    /// Called when a running sequence has stopped running: it ended, or it was preempted and is
    /// added again.
    default void left(Sequence sequence) {}

    /// Called for each row of the step being planned.
    default void served(StepPlan.Row row) {}

    /// Whether the prefill of a sequence, which runs or goes next, must not wait for other
    /// prefills. Such a sequence is admitted although other prefills use the whole step, and in at
    /// most every second step it runs without them. For a running sequence it is called only while
    /// [#wantsShortSteps] returns true.
    default boolean hurries(Sequence sequence) {
        return false;
    }

    /// Whether the next request of some tenant must not wait for a whole step. Then prefills get
    /// half of the tokens that decodes leave in each step, so that steps are short.
    default boolean wantsShortSteps() {
        return false;
    }

    /// Whether a waiting sequence with a short prompt may be admitted before `first`, which goes
    /// next: it takes a part of the step that `first` is not given.
    default boolean mayPass(Sequence shorter, Sequence first) {
        return false;
    }

    /// Whether a sequence that waits goes before one that arrives and has the same class, so that
    /// this one finds computed what they have in common.
    default boolean precedes(Sequence waiting, Sequence arriving) {
        return true;
    }

    /// Returns the part of `all`, the cost of the prefills of all waiting sequences as
    /// [StepTime#cost] counts it, that goes before a sequence that arrives.
    default long ahead(Sequence arriving, long all) {
        return all;
    }

    /// Returns the candidate that is preempted first when memory runs out: the one admitted last.
    default Sequence victim(List<Sequence> candidates) {
        return candidates.getLast();
    }

    /// Whether `running` is preempted to make room for `waiting`, which goes next.
    default boolean yields(Sequence running, Sequence waiting) {
        return false;
    }
}
