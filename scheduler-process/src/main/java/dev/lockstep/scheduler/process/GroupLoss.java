// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

/// Why a group was lost.
///
/// @param expelled number of ranks that are taken out because their results were wrong
record GroupLoss(String reason, Cause cause, int expelled) {
    enum Cause {
        /// A rank ended, hung or failed, which a request may have caused.
        RANK_FAILED,
        /// This scheduler gave the group up, or results were wrong.
        GIVEN_UP,
        /// It is formed anew with another number of ranks.
        RESIZED
    }

    GroupLoss(String reason, Cause cause) {
        this(reason, cause, 0);
    }
}
