// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// A point of the stream: it is reached once every op that was called before [Kernels#mark] has
/// finished. Marks are reached in the order in which they were made.
///
/// Any thread that has called [Kernels#attachThread] may ask and wait.
public interface Mark {

    /// Returns whether [#await] returns or throws at once. Does not throw.
    boolean reached();

    /// Waits until the point is reached. Throws what an op before it found wrong on the device,
    /// such as an index out of range: every wait for this mark does, and none for another one.
    void await();
}
