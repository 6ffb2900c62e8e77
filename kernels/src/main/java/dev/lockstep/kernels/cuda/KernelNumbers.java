// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.kernels.cuda;

import dev.lockstep.checkpoint.TensorType;
import dev.lockstep.kernels.Activation;
import dev.lockstep.kernels.CheckedIndex;
import java.util.List;

/// The numbers by which the sources of the kernels know constants: the order of their declaration.
final class KernelNumbers {
    private static final List<Activation> ACTIVATIONS = List.of(Activation.values());
    private static final List<TensorType> STORED = List.of(TensorType.values());
    private static final List<CheckedIndex> CHECKED = List.of(CheckedIndex.values());

    private KernelNumbers() {}

    static int of(Activation activation) {
        return ACTIVATIONS.indexOf(activation);
    }

    static int of(TensorType stored) {
        return STORED.indexOf(stored);
    }

    static int of(CheckedIndex checked) {
        return CHECKED.indexOf(checked);
    }
}
