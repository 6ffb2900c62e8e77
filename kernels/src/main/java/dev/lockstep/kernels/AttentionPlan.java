// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// A backend's plan of one step; opaque to other code, valid until the next
/// [AttentionBackend#plan].
public interface AttentionPlan {
    PagedBatch batch();
}
