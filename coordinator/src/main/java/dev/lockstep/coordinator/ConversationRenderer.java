// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.text.ChatTemplate;
import dev.lockstep.text.ChatVariables;
import dev.lockstep.text.ToolCallForm;
import dev.lockstep.text.ToolCalls;
import dev.lockstep.text.jinja.TemplateException;
import dev.lockstep.text.tools.TemplateTools;
import java.time.Clock;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// Renders conversations with a chat template, and refuses what the template would silently leave
/// out.
final class ConversationRenderer {
    private final ChatTemplate template;
    private final Clock clock;

    ConversationRenderer(ChatTemplate template, Clock clock) {
        this.template = template;
        this.clock = clock;
    }

    String render(ChatVariables conversation) {
        return Boolean.TRUE.equals(conversation.others().get(ContinuedMessage.FIELD))
                ? ContinuedMessage.cut(renderWhole(ContinuedMessage.marked(conversation)))
                : renderWhole(conversation);
    }

    private String renderWhole(ChatVariables conversation) {
        if (conversation.others().containsKey(ConversationFields.DOCUMENTS)
                && !template.names(ConversationFields.DOCUMENTS)) {
            throw unrendered(ConversationFields.DOCUMENTS);
        }
        int firstCall = firstCall(conversation);
        Optional<ToolCallForm> form =
                firstCall < 0 ? Optional.empty() : template.toolCallForm(clock);
        String prompt = rendered(form.map(each -> each.apply(conversation)).orElse(conversation));
        if (firstCall >= 0 && form.isEmpty()) {
            throw unrendered("messages[" + firstCall + "]." + ToolCalls.FIELD);
        }
        return prompt;
    }

    private String rendered(ChatVariables conversation) {
        try {
            // Values, or a template that cuts a text, may leave half of a character.
            return Json.wellFormed(template.render(withTools(conversation), clock));
        } catch (TemplateException e) {
            throw ApiError.invalid(
                    "messages",
                    "the model's chat template refuses the messages: "
                            + Json.explained(String.valueOf(e.getMessage())));
        }
    }

    /// Returns the conversation with its tools under the name that the template reads.
    @SuppressWarnings("unchecked")
    private ChatVariables withTools(ChatVariables conversation) {
        if (!(conversation.others().get(ConversationFields.TOOLS) instanceof List<?> tools)) {
            return conversation;
        }
        Map<String, @Nullable Object> others = new LinkedHashMap<>(conversation.others());
        others.remove(ConversationFields.TOOLS);
        return TemplateTools.add(
                new ChatVariables(
                        conversation.messages(), conversation.addGenerationPrompt(), others),
                (List<Map<String, @Nullable Object>>) tools,
                template,
                clock);
    }

    /// Returns the index of the first message with tool calls, or -1.
    private static int firstCall(ChatVariables conversation) {
        for (int i = 0; i < conversation.messages().size(); i++) {
            if (conversation.messages().get(i).containsKey(ToolCalls.FIELD)) {
                return i;
            }
        }
        return -1;
    }

    private static ApiError unrendered(String field) {
        return ApiError.unserved(
                field, field + " is given, but the model's chat template does not render it");
    }
}
