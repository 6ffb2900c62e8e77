package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.coordinator.engine.GeneratedToken;
import java.util.List;
import java.util.Optional;

/// How one route writes its choices: [ChatFormat] or [TextFormat].
interface ResponseFormat {

    /// The word in `object`, of a chunk or of a whole answer.
    String objectName(boolean chunk);

    /// The first chunk of a choice; without one there is none.
    ///
    /// @param promptTokens as in [#whole]
    Optional<ObjectNode> opening(int choice, List<GeneratedToken> promptTokens);

    /// Whether log-probabilities of the prompt stand before a choice's first token.
    boolean showsPrompt();

    /// A chunk with something to show.
    ObjectNode chunk(int choice, Delta delta);

    /// The last chunk of a choice.
    ObjectNode lastChunk(int choice, Finish finish);

    /// Whether tokens are worth a chunk that has no text.
    boolean showsTokens();

    /// A whole choice.
    ///
    /// @param promptTokens of its prompt from the second on, where their log-probabilities were
    ///   asked for
    ObjectNode whole(int choice, List<GeneratedToken> promptTokens, Delta all, Finish finish);

    /// What stands beside the choices of a whole answer, or of the first chunk.
    void putFurther(ObjectNode answer, List<GeneratedToken> promptTokens);

    /// What ends a choice, in both routes: `finish_reason` and, as others in this field have it,
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
