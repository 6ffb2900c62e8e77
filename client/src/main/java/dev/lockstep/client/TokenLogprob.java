package dev.lockstep.client;

/// A token and the natural logarithm of the probability the model gave it.
public record TokenLogprob(int id, double logprob) {}
