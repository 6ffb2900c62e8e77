// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

/// What a rank found in a canary step.
///
/// @param token the most likely one after the prompt; 0 on ranks that do not sample
/// @param checksum of the residual after the last layer
record CanaryOutcome(int token, int checksum) {}
