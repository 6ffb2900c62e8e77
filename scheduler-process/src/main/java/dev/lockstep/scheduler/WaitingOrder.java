package dev.lockstep.scheduler;

import java.util.List;
import java.util.Optional;

/// Decides who of the waiting sequences goes next. Chosen by name; a user's own is found by
/// [java.util.ServiceLoader], made anew for each group.
public interface WaitingOrder {
    /// What `--waiting-order` calls it.
    String name();

    /// What an order may ask about.
    interface Context {
        /// Full blocks at the beginning of a waiting sequence that the cache holds now.
        int cachedPrefix(Sequence waiting);

        /// Tells a waiting sequence's timeline that a later one of another tenant went before it.
        default void passedOver(Sequence waiting) {}

        /// As `--tenant-weights` says; 1 for those it does not name.
        double weight(String tenant);
    }

    /// Called once, before anything else.
    default void begin(Context context) {}

    /// A sequence comes to wait: a new one, or one that was preempted.
    void add(Sequence sequence);

    /// A waiting sequence leaves: it is admitted next, was cancelled, or waits elsewhere for a
    /// while.
    void remove(Sequence sequence);

    /// Who goes next; stays the same until something was added, removed or served.
    Optional<Sequence> first();

    /// A sequence was admitted, of whose known ids so many were found in the cache.
    default void admitted(Sequence sequence, int cachedTokens) {}

    /// A running sequence left: finished, or preempted, in which case it is added again.
    default void left(Sequence sequence) {}

    /// A running sequence has a row in the step being planned.
    default void served(StepPlan.Row row) {}

    /// Whether the prefill of a sequence, which runs or goes next, is not to wait for those of
    /// others: then it is admitted although they take all of the step, and in every second step at
    /// most it runs without them. Of one that runs it is asked only while [#wantsShortSteps].
    default boolean hurries(Sequence sequence) {
        return false;
    }

    /// Whether somebody is there whose next request must not wait for a whole step: then prefills
    /// take half of the tokens of each, so that steps are short.
    default boolean wantsShortSteps() {
        return false;
    }

    /// Which running sequence is preempted first where memory runs out, of those that may be: the
    /// one admitted last.
    default Sequence victim(List<Sequence> candidates) {
        return candidates.getLast();
    }

    /// Whether `running` shall make room for `waiting`, which goes next.
    default boolean yields(Sequence running, Sequence waiting) {
        return false;
    }
}
