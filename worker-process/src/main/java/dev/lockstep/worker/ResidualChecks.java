// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.worker;

import java.util.function.BooleanSupplier;

/// Which steps report a checksum of the residual, and whether a test wants a wrong one.
///
/// @param interval steps whose number is a multiple of it; 0 for none
/// @param flips called once for each checksum: whether a bit of this rank's residual is to flip
record ResidualChecks(int interval, BooleanSupplier flips) {
    static final ResidualChecks NONE = new ResidualChecks(0, () -> false);

    ResidualChecks {
        if (interval < 0) {
            throw new IllegalArgumentException("a check interval of " + interval);
        }
    }

    boolean due(long step) {
        return interval > 0 && step > 0 && step % interval == 0;
    }
}
