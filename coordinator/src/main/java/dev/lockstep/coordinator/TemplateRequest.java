// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.text.ChatVariables;
import dev.lockstep.text.ToolCalls;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Reads the body of `POST /apply-template`: a conversation that is only rendered. Tools and their
/// results are accepted, because no text is generated that could call one; all else is as in a
/// chat.
final class TemplateRequest {
    private static final String KWARGS = "chat_template_kwargs";
    private static final int MAX_ENTRIES = 65_536;

    private TemplateRequest() {}

    static ChatVariables parse(Fields fields) {
        UnservedFields.refuseInTemplates(fields);
        List<Map<String, @Nullable Object>> messages =
                fields.list("messages", MAX_ENTRIES, TemplateRequest::message);
        ChatMessages.requireNotEmpty(fields, messages);
        ChatVariables variables =
                ChatVariables.of(messages, fields.flag("add_generation_prompt", true));
        for (String name : List.of("tools", "documents")) {
            List<Map<String, @Nullable Object>> list =
                    fields.list(name, MAX_ENTRIES, (path, value) -> plain(path, value));
            // An absent list is undefined in a template, which differs from an empty one.
            variables = list.isEmpty() ? variables : variables.with(name, list);
        }
        try {
            for (Map.Entry<String, JsonNode> more :
                    fields.object(KWARGS).map(Fields::entries).orElse(List.of())) {
                variables = variables.with(more.getKey(), Json.plain(more.getValue()));
            }
        } catch (IllegalArgumentException e) {
            throw ApiError.invalid(
                    KWARGS, KWARGS + ": " + Json.explained(String.valueOf(e.getMessage())));
        }
        return variables;
    }

    private static Map<String, @Nullable Object> message(String name, JsonNode value) {
        Fields fields = Fields.object(name, value);
        String role = fields.requireText("role");
        if (!role.equals("tool") && !fields.has(ToolCalls.FIELD)) {
            return ChatMessages.message(name, value);
        }
        Map<String, @Nullable Object> message;
        try {
            message = plain(name, ToolCalls.parsed(fields.node()));
        } catch (IllegalArgumentException e) {
            throw ApiError.invalid(
                    fields.name(ToolCalls.FIELD),
                    fields.name(ToolCalls.FIELD)
                            + ": "
                            + Json.explained(String.valueOf(e.getMessage())));
        }
        if (fields.has("content")) {
            message.put("content", ChatMessages.content(fields));
        }
        return message;
    }

    private static Map<String, @Nullable Object> plain(String name, JsonNode value) {
        return Json.plainObject(Fields.object(name, value).node());
    }
}
