// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.checkpoint.Checkpoint;
import java.util.Set;

/// Computes models of some architectures. A jar on the class path adds a family by naming its class
/// in `META-INF/services/dev.lockstep.model.ModelFamily`; it has priority over a built-in family
/// that serves the same architecture.
///
/// Stateless; has a public constructor without arguments.
public interface ModelFamily {

    /// Returns the architectures that it serves: entries of `architectures` in `config.json`, and
    /// values of `general.architecture` in GGUF.
    Set<String> architectures();

    /// Throws if the configuration requires something that this family does not compute; reads
    /// headers only.
    default void requireSupported(Checkpoint checkpoint) {}

    /// Loads one rank's shard.
    Model load(Weights weights);
}
