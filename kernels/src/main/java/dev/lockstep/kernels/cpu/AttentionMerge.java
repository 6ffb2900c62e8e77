// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cpu;

/// The results of some tokens for the query heads of one KV head, from the states of their
/// segments.
///
/// @param token the index of the first token in the step
/// @param segments from the first that any of the tokens attends to
/// @param states address of `[segments][tokens · heads]` states; one whose maximum is -∞ is of a
///   segment that its token does not attend to
record AttentionMerge(int token, int tokens, int kvHead, int segments, long states) {}
