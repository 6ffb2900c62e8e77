// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.it;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;

/// Request bodies.
final class CompletionBodies {
    static final String COMPLETIONS = "/v1/completions";
    static final String CHAT = "/v1/chat/completions";

    private CompletionBodies() {}

    /// Returns a request for greedy decoding that ignores the end token, with ids as prompt and
    /// output.
    static ObjectNode greedy(List<Integer> prompt, int maxTokens) {
        ObjectNode body = greedy(maxTokens);
        body.set("prompt", JsonNodes.array(prompt));
        return body;
    }

    /// Returns the same without a prompt.
    static ObjectNode greedy(int maxTokens) {
        return JsonNodes.object()
                .put("model", ServedCluster.MODEL)
                .put("max_tokens", maxTokens)
                .put("temperature", 0)
                .put("ignore_eos", true)
                .put("return_token_ids", true);
    }
}
