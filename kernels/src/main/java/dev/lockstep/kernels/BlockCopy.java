package dev.lockstep.kernels;

/// Copies the first `tokens` tokens of block `from` to block `to`, every layer of the KV group.
public record BlockCopy(int from, int to, int tokens) {}
