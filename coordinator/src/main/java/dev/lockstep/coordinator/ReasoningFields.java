// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.text.ChatTemplate;
import dev.lockstep.text.ChatVariables;
import dev.lockstep.text.ModelTemplate;

/// Reads what a request says about reasoning: how much, and where the response has it.
final class ReasoningFields {
    private static final String EFFORT = "reasoning_effort";

    /// The variable with which templates turn thinking on or off.
    private static final String THINKING = "enable_thinking";

    private ReasoningFields() {}

    /// Adds `reasoning_effort` to the variables of the template, under the name that it reads: the
    /// effort, or whether to think at all.
    static ChatVariables withEffort(
            ChatVariables conversation, Fields fields, ModelTemplate template) {
        if (!fields.has(EFFORT)) {
            return conversation;
        }
        String effort = fields.requireText(EFFORT);
        boolean thinks = !effort.equals("none");
        if (names(template, EFFORT)) {
            ChatVariables told = with(conversation, EFFORT, effort);
            return !thinks && names(template, THINKING) ? with(told, THINKING, false) : told;
        }
        if (names(template, THINKING)) {
            return with(conversation, THINKING, thinks);
        }
        if (thinks) {
            throw ApiError.unserved(
                    fields.name(EFFORT),
                    fields.name(EFFORT)
                            + " is given, but the model's chat template does not read it");
        }
        return conversation;
    }

    /// A variable in `chat_template_kwargs` is more exact.
    private static ChatVariables with(ChatVariables conversation, String name, Object value) {
        return conversation.others().containsKey(name)
                ? conversation
                : conversation.with(name, value);
    }

    private static boolean names(ModelTemplate template, String name) {
        return switch (template) {
            case ModelTemplate.Usable(ChatTemplate usable) -> usable.names(name);
            case ModelTemplate.Missing(), ModelTemplate.Broken(String _) -> false;
        };
    }

    /// Returns where the response has the reasoning.
    ///
    /// @param usual the place if the request does not say
    static ReasoningPlace place(Fields fields, ReasoningPlace usual) {
        if (!fields.flag("include_reasoning", true)) {
            return ReasoningPlace.OFF;
        }
        if (fields.has("separate_reasoning")) {
            return fields.flag("separate_reasoning", true)
                    ? ReasoningPlace.SEPARATE
                    : ReasoningPlace.INLINE;
        }
        return switch (fields.text("reasoning_format").orElse("auto")) {
            case "auto" -> usual;
            case "none" -> ReasoningPlace.INLINE;
            case "deepseek", "parsed" -> ReasoningPlace.SEPARATE;
            case "hidden" -> ReasoningPlace.OFF;
            default ->
                    throw Fields.outside(
                            fields.name("reasoning_format"),
                            fields.value("reasoning_format"),
                            "{auto, none, deepseek, parsed, hidden}");
        };
    }
}
