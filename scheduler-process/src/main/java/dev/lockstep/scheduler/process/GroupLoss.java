// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.scheduler.process;

/// Why a group was lost.
///
/// @param rankFailed whether a rank ended, hung or failed; otherwise this scheduler gave it up
record GroupLoss(String reason, boolean rankFailed) {}
