// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.checkpoint;

import java.util.Optional;
import java.util.function.Supplier;

/// A configuration that was read, or the reason why it cannot be.
///
/// The reason is thrown only when the configuration is used: if no family runs the architecture,
/// its name says more than the first of its keys that is unknown or missing.
record ReadConfig(Optional<ModelConfig> config, Optional<CheckpointException> failure) {

    static ReadConfig of(Supplier<ModelConfig> reader) {
        try {
            return new ReadConfig(Optional.of(reader.get()), Optional.empty());
        } catch (CheckpointException e) {
            return new ReadConfig(Optional.empty(), Optional.of(e));
        }
    }

    ModelConfig require() {
        if (failure.isPresent()) {
            throw failure.get();
        }
        return config.orElseThrow();
    }
}
