// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.coordinator.engine.GeneratedToken;
import java.util.List;
import java.util.Optional;

/// The JSON form of the choices of one route: [ChatFormat] or [TextFormat].
interface ResponseFormat {

    /// Returns the value of `object`, for a chunk or for a whole response.
    String objectName(boolean chunk);

    /// Returns the first chunk of a choice, if it has one before its first token.
    ///
    /// @param promptTokens as in [#whole]
    Optional<ObjectNode> opening(int choice, List<GeneratedToken> promptTokens);

    /// Returns whether log-probabilities of the prompt precede a choice's first token.
    boolean showsPrompt();

    /// Returns chunks with text or tokens.
    List<ObjectNode> chunks(int choice, Delta delta);

    /// Returns the last chunk of a choice.
    ObjectNode lastChunk(int choice, Finish finish);

    /// Returns whether tokens without text get a chunk.
    boolean showsTokens();

    /// Returns a whole choice.
    ///
    /// @param promptTokens the tokens of its prompt from the second on, if their log-probabilities
    ///   were requested
    ObjectNode whole(int choice, List<GeneratedToken> promptTokens, Delta all, Finish finish);

    /// Adds the fields outside the choices to a whole response or to its first chunk.
    void putTopLevelFields(ObjectNode response, List<GeneratedToken> promptTokens);

    /// Adds the end of a choice, in both routes: `finish_reason` and, as other servers have it,
    /// `stop_reason`.
    static void putFinish(ObjectNode choice, Finish finish) {
        choice.put("finish_reason", finish.reason().word());
        if (finish.stopToken().isPresent()) {
            choice.put("stop_reason", finish.stopToken().getAsInt());
        } else {
            Json.putOrNull(choice, "stop_reason", finish.stopText());
        }
    }

    static void putTokenIds(ObjectNode choice, Delta delta) {
        delta.tokenIds().forEach(choice.putArray("token_ids")::add);
    }
}
