// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.cluster.process;

/// A monotonic clock, by which Lockstep measures time.
///
/// Wall-clock time jumps: it appears in logs and ids, and is compared only with dates from files
/// and HTTP headers. Simulated code uses a `Clock`, so that a test can run minutes in a millisecond
/// with `VirtualClock`.
@FunctionalInterface
public interface Clock {

    /// The clock of the machine.
    Clock SYSTEM = System::nanoTime;

    /// Returns nanoseconds since an arbitrary moment; only differences are meaningful.
    long nanoTime();
}
