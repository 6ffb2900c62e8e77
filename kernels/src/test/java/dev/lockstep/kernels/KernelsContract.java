package dev.lockstep.kernels;

/// What every contract starts from: an implementation's test class says how its kernels are opened
/// and implements the contract of each op family.
public interface KernelsContract {

    /// Kernels with that many threads; skips the test, saying why, where this machine has none.
    Kernels open(int threads);

    /// Kernels and the memory a test needs, freed together.
    default TestDevice device() {
        return new TestDevice(open(2));
    }
}
