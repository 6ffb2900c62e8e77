package dev.lockstep.cluster.process;

/// Time that only moves forward; nothing in Lockstep reads another clock to decide anything.
///
/// Wall-clock time jumps and appears only in logs and ids. Code that is simulated takes a `Clock`,
/// so that a test can run minutes in a millisecond with `VirtualClock`.
@FunctionalInterface
public interface Clock {

    /// The clock of the machine.
    Clock SYSTEM = System::nanoTime;

    /// Nanoseconds since an arbitrary moment; only differences mean anything.
    long nanoTime();
}
