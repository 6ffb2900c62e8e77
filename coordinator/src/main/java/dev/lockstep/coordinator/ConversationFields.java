// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.text.ChatVariables;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Reads the fields that a chat template renders: `messages`, `documents`, `add_generation_prompt`,
/// `continue_final_message` and `chat_template_kwargs`; the same wherever a conversation is
/// accepted.
final class ConversationFields {
    static final String TOOLS = "tools";
    static final String DOCUMENTS = "documents";
    private static final String GENERATION_PROMPT = "add_generation_prompt";
    private static final String KWARGS = "chat_template_kwargs";
    private static final int MAX_ENTRIES = 65_536;

    private ConversationFields() {}

    static ChatVariables parse(Fields fields) {
        boolean continues = fields.flag(ContinuedMessage.FIELD, false);
        boolean prompts = fields.flag(GENERATION_PROMPT, !continues);
        if (continues && prompts) {
            throw ApiError.invalid(
                    GENERATION_PROMPT,
                    ContinuedMessage.FIELD
                            + " is true, then "
                            + GENERATION_PROMPT
                            + " must be false: the answer has begun");
        }
        ChatVariables variables = ChatVariables.of(ChatMessages.parse(fields), prompts);
        if (continues) {
            variables = variables.with(ContinuedMessage.FIELD, true);
        }
        return withKwargs(withList(variables, fields, DOCUMENTS), fields);
    }

    /// As [#parse], with the `tools`: for routes that generate nothing that could call one.
    static ChatVariables parseWithTools(Fields fields) {
        return withList(parse(fields), fields, TOOLS);
    }

    /// Adds a list of objects. An absent list is undefined in a template, which differs from an
    /// empty one.
    private static ChatVariables withList(ChatVariables variables, Fields fields, String field) {
        List<Map<String, @Nullable Object>> list =
                fields.list(
                        field,
                        MAX_ENTRIES,
                        (name, value) -> Json.plainObject(Fields.object(name, value).node()));
        return list.isEmpty() ? variables : variables.with(field, list);
    }

    private static ChatVariables withKwargs(ChatVariables variables, Fields fields) {
        ChatVariables all = variables;
        try {
            for (Map.Entry<String, JsonNode> more :
                    fields.object(KWARGS).map(Fields::entries).orElse(List.of())) {
                String name = more.getKey();
                if (name.equals(TOOLS) || all.others().containsKey(name)) {
                    throw ApiError.invalid(
                            KWARGS + "." + name,
                            KWARGS + "." + name + " is a field of the request; give it there only");
                }
                all = all.with(name, Json.plain(more.getValue()));
            }
        } catch (IllegalArgumentException e) {
            throw ApiError.invalid(
                    KWARGS, KWARGS + ": " + Json.explained(String.valueOf(e.getMessage())));
        }
        return all;
    }
}
