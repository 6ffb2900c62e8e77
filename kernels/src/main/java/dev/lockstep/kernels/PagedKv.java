package dev.lockstep.kernels;

/// The KV blocks of one KV group on one rank; made by [Kernels#allocateKv], closed by who asked for
/// it.
///
/// Block 0 is the null block: never read for a live position, written by nobody.
public interface PagedKv extends AutoCloseable {
    KvLayout layout();

    int blocks();

    @Override
    void close();
}
