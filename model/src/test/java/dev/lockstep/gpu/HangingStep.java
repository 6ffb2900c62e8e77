// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.gpu;

import dev.lockstep.kernels.cuda.EmulatedCuda;

/// A process with a test whose first allocation on an emulated device does not return if its
/// environment says so.
final class HangingStep {
    private HangingStep() {}

    public static void main(String[] arguments) {
        System.out.println(Line.of(Line.Kind.STARTED, "allocates()", ""));
        EmulatedCuda.open().allocate(1);
        System.out.println(Line.of(Line.Kind.PASSED, "allocates()", ""));
        System.exit(0);
    }
}
