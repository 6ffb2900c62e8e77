// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.text.tools.AnswerEvent;
import java.util.List;

/// What happens to a response, in order. [ResponseEvents] makes the same events of the same steps,
/// whenever a client asks for them.
sealed interface ResponseStep {
    /// The response as a whole has another status.
    ///
    /// @param type of the event
    /// @param response as it is then
    record Status(String type, ObjectNode response) implements ResponseStep {}

    /// The answer goes on.
    ///
    /// @param logprobs of the tokens, which may precede their text
    record Part(ArrayNode logprobs, List<AnswerEvent> events) implements ResponseStep {
        public Part {
            events = List.copyOf(events);
        }
    }

    /// The response ends here and goes on at another coordinator.
    ///
    /// @param why with the name that clients know
    record Left(ApiError why) implements ResponseStep {}

    /// The answer is over.
    ///
    /// @param complete whether its last item was written to its end
    record Closed(boolean complete) implements ResponseStep {}
}
