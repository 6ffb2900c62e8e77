// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.HashMap;
import java.util.Map;

/// The body of a chat completion, composed from the body of another API that means the same.
///
/// So there is one way from a conversation to a prompt and to an answer, whichever API it came by.
final class ChatBody {
    /// Fields of ours that change nothing in an answer's form; every API with chats has them.
    private static final String[] COMMON = {
        "model",
        "stream",
        "seed",
        "priority",
        "deadline_ms",
        "service_class",
        "cache_salt",
        "cache_priority",
        "cache_ttl_ms",
    };

    private final ObjectNode body = Json.object();
    private final ArrayNode messages = body.putArray("messages");

    /// The names of the other API by those here.
    private final Map<String, String> names = new HashMap<>();

    /// Begins with the fields that the other API shares.
    ChatBody(Fields from) {
        copy(from, COMMON);
    }

    ObjectNode node() {
        return body;
    }

    /// Checks the body as one of a chat. Errors have the names of the other API.
    ChatRequest parse(ServedModel model, RequestContext context) {
        try {
            return ChatRequest.parse(new Fields(body), model, context);
        } catch (ApiError e) {
            throw e.renamed(names);
        }
    }

    /// Checks the body as one of a completion.
    TextRequest parseText(ServedModel model, RequestContext context) {
        try {
            return TextRequest.parse(new Fields(body), model, context);
        } catch (ApiError e) {
            throw e.renamed(names);
        }
    }

    /// Checks the body as one of a completion between a prompt and a suffix.
    TextRequest parseMiddle(ServedModel model, RequestContext context) {
        try {
            return TextRequest.ofMiddle(new Fields(body), model, context);
        } catch (ApiError e) {
            throw e.renamed(names);
        }
    }

    ArrayNode messages() {
        return messages;
    }

    /// Adds a message and returns it.
    ObjectNode message(String role, String content) {
        return messages.addObject().put("role", role).put("content", content);
    }

    /// Takes over fields that have the same name and meaning.
    void copy(Fields from, String... names) {
        for (String name : names) {
            copy(from, name, name);
        }
    }

    /// Takes over a field that has the same meaning, if it is given.
    void copy(Fields from, String name, String as) {
        if (from.has(name)) {
            renamed(from.name(name), as).set(as, from.value(name));
        }
    }

    /// Records that a field has another name in the other API, and returns the body.
    ObjectNode renamed(String theirs, String ours) {
        names.put(ours, theirs);
        return body;
    }

    /// Sets what a chat template reads to turn reasoning on or off; the client's own variables take
    /// precedence.
    void think(boolean on) {
        ObjectNode variables =
                body.path("chat_template_kwargs") instanceof ObjectNode given
                        ? given
                        : body.putObject("chat_template_kwargs");
        for (String name : new String[] {"enable_thinking", "thinking"}) {
            if (!variables.has(name)) {
                variables.put(name, on);
            }
        }
    }
}
