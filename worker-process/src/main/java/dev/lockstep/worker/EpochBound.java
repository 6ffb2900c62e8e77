// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Supplier;

/// Refuses epochs that ZooKeeper did not give out: a worker obeys nothing below the highest epoch
/// it has seen, so one wrong epoch near the end of the numbers would stop its group until a person
/// acts.
final class EpochBound {
    /// Epochs that a leader may have taken while ZooKeeper was away; it takes one for each
    /// formation of its group.
    static final long WITHOUT_ZOOKEEPER = 1000;

    private final Supplier<OptionalLong> given;
    private long known;

    /// @param given reads the highest epoch that ZooKeeper gave out; empty when it does not answer
    EpochBound(Supplier<OptionalLong> given) {
        this.given = given;
    }

    /// Returns why an epoch is refused; empty if it is not. Waits for ZooKeeper, at most some
    /// seconds.
    ///
    /// @param seen the highest epoch that this worker obeyed
    synchronized Optional<String> refusal(long epoch, long seen) {
        OptionalLong now = given.get();
        if (now.isPresent()) {
            known = now.getAsLong();
            return epoch <= known
                    ? Optional.empty()
                    : Optional.of(
                            "epoch %d was not given out: ZooKeeper is at %d"
                                    .formatted(epoch, known));
        }
        long limit = Math.max(known, seen) + WITHOUT_ZOOKEEPER;
        return epoch <= limit
                ? Optional.empty()
                : Optional.of(
                        "epoch %d is above %d, the most that this worker accepts without ZooKeeper"
                                .formatted(epoch, limit));
    }
}
