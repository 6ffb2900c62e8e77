// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// A copy of the first `tokens` tokens of block `from` to block `to`, in every layer of the KV
/// group.
public record BlockCopy(int from, int to, int tokens) {}
