// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

/// Why a group was lost.
///
/// @param rankFailed whether a rank ended, hung or failed, which a request may have caused;
///   otherwise this scheduler gave the group up, or results were wrong
/// @param expelled number of ranks that are taken out because their results were wrong
record GroupLoss(String reason, boolean rankFailed, int expelled) {
    GroupLoss(String reason, boolean rankFailed) {
        this(reason, rankFailed, 0);
    }
}
