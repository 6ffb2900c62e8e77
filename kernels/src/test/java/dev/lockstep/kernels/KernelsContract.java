// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels;

/// The base of every contract: the test class of an implementation opens its kernels and implements
/// the contract of each op family.
public interface KernelsContract {

    /// Opens kernels with that many threads; skips the test with a reason where this machine cannot
    /// run them.
    Kernels open(int threads);

    /// Opens kernels with the memory of a test, freed together.
    default TestDevice device() {
        return new TestDevice(open(2));
    }
}
