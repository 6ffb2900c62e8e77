// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.text.ChatVariables;
import dev.lockstep.text.ToolCalls;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// The end of a prompt that is the beginning of the answer: with `continue_final_message` the
/// rendered conversation ends after the content of its last message, and the model goes on there.
///
/// A mark is put behind the content, and the prompt is cut where the template renders the mark; so
/// it does not matter what the template writes after a message, or what it does to other text.
final class ContinuedMessage {
    static final String FIELD = "continue_final_message";

    // Noncharacters of Unicode, which text for interchange does not have.
    private static final String MARK = "\uFDD0\uFDD1";

    private ContinuedMessage() {}

    /// Returns the conversation with the mark at its end.
    static ChatVariables marked(ChatVariables conversation) {
        List<Map<String, @Nullable Object>> messages = new ArrayList<>();
        conversation.messages().forEach(message -> messages.add(new LinkedHashMap<>(message)));
        Map<String, @Nullable Object> last = messages.getLast();
        String name = "messages[" + (messages.size() - 1) + "]";
        if (!"assistant".equals(last.get("role")) || last.containsKey(ToolCalls.FIELD)) {
            throw ApiError.invalid(
                    name,
                    FIELD
                            + " is true, then "
                            + name
                            + " must be an assistant's, without tool calls");
        }
        last.put("content", last.get("content") + MARK);
        return new ChatVariables(messages, false, conversation.others());
    }

    /// Returns the prompt up to the mark.
    static String cut(String prompt) {
        int end = prompt.indexOf(MARK);
        if (end < 0 || end != prompt.lastIndexOf(MARK)) {
            throw ApiError.invalid(
                    FIELD,
                    FIELD
                            + " is true, but the model's chat template does not render the last message once");
        }
        return prompt.substring(0, end);
    }
}
