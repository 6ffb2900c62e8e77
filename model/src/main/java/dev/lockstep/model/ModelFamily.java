package dev.lockstep.model;

import dev.lockstep.checkpoint.Checkpoint;
import java.util.Set;

/// A way to compute models of some architectures. Lockstep brings its own; a jar on the class path
/// adds others by naming its class in `META-INF/services/dev.lockstep.model.ModelFamily`, and comes
/// before ours where both know an architecture.
///
/// Stateless; has a public constructor without arguments.
public interface ModelFamily {

    /// The names it answers to: entries of `architectures` in `config.json`, and of
    /// `general.architecture` in GGUF.
    Set<String> architectures();

    /// Refuses what the configuration asks for and this family does not compute; reads headers
    /// only.
    default void requireSupported(Checkpoint checkpoint) {}

    /// Loads one rank's shard.
    Model load(Weights weights);
}
