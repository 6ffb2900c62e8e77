package dev.lockstep.kernels;

/// What a backend worked out for one step; opaque to everyone else, valid until the next
/// [AttentionBackend#plan].
public interface AttentionPlan {
    PagedBatch batch();
}
