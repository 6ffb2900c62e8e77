// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.coordinator.engine.TokenPrompt;
import dev.lockstep.proto.v1.PositionOutputs;
import java.util.List;

/// A response made of one vector for each input, pooled from the last layer's hidden states.
abstract class PooledVectors extends CollectedResponse {
    private final List<TokenPrompt> prompts;
    private final VectorForm form;
    private final float[][] vectors;

    PooledVectors(HttpExchange exchange, List<TokenPrompt> prompts, VectorForm form) {
        super(exchange);
        this.prompts = List.copyOf(prompts);
        this.form = form;
        this.vectors = new float[prompts.size()][0];
    }

    @Override
    public void outputs(int input, PositionOutputs outputs) {
        if (outputs.getPooledCount() > 0) {
            vectors[input] = form.of(outputs.getPooledList(), prompts.get(input));
        }
    }

    int count() {
        return vectors.length;
    }

    float[] vector(int input) {
        return vectors[input];
    }
}
