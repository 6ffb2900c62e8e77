package dev.lockstep.worker;

/// What a rank will take of its host's memory, in bytes, before any of it is taken.
record MemoryBill(long weights, long kv, long activations) {
    long total() {
        return weights + kv + activations;
    }

    /// Refuses a start that memory cannot hold, with the numbers and the settings that would make
    /// it fit.
    void requireFits(long available) {
        if (total() > available) {
            throw new OutOfHostMemoryException(
                    "the rank needs %s (weights %s, KV %s, activations %s) of %s free: lower --kv-memory, --max-num-seqs or --max-num-batched-tokens"
                            .formatted(
                                    mebibytes(total()),
                                    mebibytes(weights),
                                    mebibytes(kv),
                                    mebibytes(activations),
                                    mebibytes(available)));
        }
    }

    private static String mebibytes(long bytes) {
        return "%,d MiB".formatted(bytes >> 20);
    }
}
