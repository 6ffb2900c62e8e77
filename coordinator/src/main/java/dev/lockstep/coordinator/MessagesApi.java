// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.coordinator.engine.CompletionInbox;
import java.util.List;

/// Anthropic's API: another form of the requests and answers of a chat.
final class MessagesApi {
    private static final String ID = "msg_";

    private final CompletionFactory completions;

    MessagesApi(CompletionFactory completions) {
        this.completions = completions;
    }

    /// Checks a body of `POST /v1/messages`. The completion does not refer to the body.
    Completion message(
            Fields fields, RequestContext context, HttpExchange exchange, CompletionInbox inbox) {
        ChatRequest chat = MessagesFields.message(fields).parse(completions.model(), context);
        PreparedRequest request = completions.prepare(chat, ID, context);
        ResponseSink sink =
                chat.delivery().stream()
                        ? new MessagesStream(exchange, request)
                        : new MessagesWhole(exchange, request);
        return completions.completion(request, inbox, sink);
    }

    /// Counts the tokens that the prompt of `POST /v1/messages` with this body would have.
    ObjectNode countTokens(Fields fields) {
        ServedModel model = completions.model();
        var anyone = new RequestContext("", List.of(), new RequestContext.Credential(""), 0);
        ChatRequest chat = MessagesFields.counting(fields).parse(model, anyone);
        return Json.object().put("input_tokens", model.encode(chat.prompt()).length);
    }
}
