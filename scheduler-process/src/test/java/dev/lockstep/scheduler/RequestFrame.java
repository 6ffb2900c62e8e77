// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler;

import java.util.List;

/// What a simulated scheduler tells a coordinator of a request, and a coordinator its client.
sealed interface RequestFrame {
    record Accepted() implements RequestFrame {}

    /// Ids of one choice, from `position` on.
    ///
    /// @param last whether the choice ends with them
    record Tokens(int choice, int position, List<Integer> ids, boolean last)
            implements RequestFrame {
        public Tokens {
            ids = List.copyOf(ids);
        }
    }

    /// Values of consecutive positions of one choice.
    record Outputs(int choice, int position, List<Float> values) implements RequestFrame {
        public Outputs {
            values = List.copyOf(values);
        }
    }

    /// A kept request that another coordinator had sent; all of its tokens follow.
    record Attached(RequestRecord record) implements RequestFrame {}

    /// The request ends, or this scheduler does not go on with it.
    record Failed(Reason reason) implements RequestFrame {}

    enum Reason {
        OVERLOADED,
        UNAVAILABLE,
        NOT_LEADER,
        INVALID,
        POISONED,
        EXPIRED,
        /// No scheduler has it any more.
        GONE,
        /// It moved too often, or waited too long.
        GROUP_LOST;

        /// As in the coordinator's `Failure`.
        boolean isLoss() {
            return this == UNAVAILABLE || this == NOT_LEADER;
        }

        boolean isRetryable() {
            return isLoss() || this == OVERLOADED;
        }
    }
}
