package dev.lockstep.worker;

/// What a rank will take of its host's memory, in bytes, before any of it is taken.
record MemoryBill(long weights, long kv, long activations) {
    private static final long DEFAULT_KV_CEILING = 2L << 30;

    /// KV memory where none is given: the least of half of what is free, 2 GiB, and what the most
    /// and longest sequences need.
    static long defaultKv(long available, long bytesPerToken, int maxSequences, int maxModelLen) {
        long needed = Math.multiplyExact(bytesPerToken, (long) maxSequences * maxModelLen);
        return Math.min(Math.min(available / 2, DEFAULT_KV_CEILING), needed);
    }

    long total() {
        return weights + kv + activations;
    }

    /// Refuses a start that memory cannot hold, with the numbers and the settings that would make
    /// it fit.
    void requireFits(long available) {
        if (total() > available) {
            throw new OutOfHostMemoryException(
                    "the rank needs %s (weights %s, KV %s, activations %s) of %s free: lower --kv-memory or --max-num-seqs"
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

    /// Too little memory; the message is the one line a user sees.
    static final class OutOfHostMemoryException extends RuntimeException {
        private static final long serialVersionUID = 1L;

        OutOfHostMemoryException(String message) {
            super(message);
        }
    }
}
