// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model.family;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.CheckpointException;

/// The model types that configurations of encoders have: without one, tokens would not attend to
/// later ones.
final class EncoderTypes {
    private EncoderTypes() {}

    /// Throws unless the configuration describes an encoder.
    static void require(Checkpoint checkpoint) {
        if (checkpoint.config().details().encoder().isEmpty()) {
            throw new CheckpointException(
                    "%s: architecture %s is an encoder, but model_type in config.json is none of an encoder"
                            .formatted(checkpoint.path(), checkpoint.architecture()));
        }
    }
}
