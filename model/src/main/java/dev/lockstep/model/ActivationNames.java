// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.model;

import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.CheckpointException;
import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.kernels.Activation;
import java.util.Map;
import java.util.TreeSet;

/// The names of activations in configurations.
public final class ActivationNames {
    private static final Map<String, Activation> NAMES =
            Map.of(
                    "relu2", Activation.RELU_SQUARED,
                    "silu", Activation.SILU,
                    "swish", Activation.SILU,
                    "gelu", Activation.GELU_ERF,
                    "gelu_new", Activation.GELU_TANH,
                    "gelu_fast", Activation.GELU_TANH,
                    "gelu_pytorch_tanh", Activation.GELU_TANH);

    /// An activation that each layer learns, which one family loads.
    private static final Map<String, String> OF_ONE_FAMILY = Map.of("ApertusForCausalLM", "xielu");

    private ActivationNames() {}

    /// Returns the activation of a model that passed [#requireKnown].
    public static Activation of(ModelConfig config) {
        Activation activation = NAMES.get(config.details().activation());
        if (activation == null) {
            throw new IllegalArgumentException("activation " + config.details().activation());
        }
        return activation;
    }

    static void requireKnown(Checkpoint checkpoint) {
        String name = checkpoint.config().details().activation();
        if (!NAMES.containsKey(name)
                && !name.equals(OF_ONE_FAMILY.get(checkpoint.architecture()))) {
            throw new CheckpointException(
                    "%s: activation %s is not supported; %s are"
                            .formatted(checkpoint.path(), name, new TreeSet<>(NAMES.keySet())));
        }
    }
}
