// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.client;

/// A token id and the natural logarithm of the probability that the model assigns to it.
public record TokenLogprob(int id, double logprob) {}
