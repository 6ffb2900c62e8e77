package dev.lockstep.worker;

/// What a rank will take of its host's memory, in bytes, before any of it is taken.
public record MemoryBill(long weights, long kv, long activations) {
    public long total() {
        return weights + kv + activations;
    }
}
