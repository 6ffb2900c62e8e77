// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.nccl;

/// The call that a rank publishes to its peers, in one word: ranks whose calls differ abort instead
/// of mixing their data.
record CallWord(long word) {
    private static final String[] NAMES = {"barrier", "allReduceSum", "gather", "broadcast"};
    private static final int ROOT_SHIFT = 48;
    private static final int NAME_SHIFT = 56;
    private static final long BYTES_MASK = (1L << ROOT_SHIFT) - 1;

    static CallWord barrier() {
        return of(0, 0, 0);
    }

    static CallWord allReduce(long bytes) {
        return of(1, bytes, 0);
    }

    static CallWord gather(long bytes, int root) {
        return of(2, bytes, root);
    }

    static CallWord broadcast(long bytes, int root) {
        return of(3, bytes, root);
    }

    private static CallWord of(long name, long bytes, long root) {
        return new CallWord(name << NAME_SHIFT | root << ROOT_SHIFT | bytes);
    }

    @Override
    public String toString() {
        String name = NAMES[(int) (word >>> NAME_SHIFT)];
        long root = word >>> ROOT_SHIFT & 0xff;
        return "%s(%d bytes, root %d)".formatted(name, word & BYTES_MASK, root);
    }
}
