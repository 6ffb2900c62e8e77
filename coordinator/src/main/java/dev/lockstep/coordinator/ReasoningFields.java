// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.text.ChatTemplate;
import dev.lockstep.text.ChatVariables;
import dev.lockstep.text.ModelTemplate;

/// Reads what a request says about reasoning: how much, and where the response has it.
final class ReasoningFields {
    private ReasoningFields() {}

    /// Adds what a request says about thinking to the variables of the template, under the names
    /// that it reads. A variable in `chat_template_kwargs` is more exact.
    static ChatVariables told(ChatVariables conversation, ThinkingFields asked, ServedModel model) {
        ChatVariables told = conversation;
        if (asked.effort().isPresent()) {
            told = withEffort(told, asked.effort().get(), asked.on().isPresent(), model);
        }
        return asked.on().isPresent() ? with(told, asked.on().get(), model) : told;
    }

    /// @param switched whether another field says whether to think at all
    private static ChatVariables withEffort(
            ChatVariables conversation,
            ThinkingFields.Given<String> effort,
            boolean switched,
            ServedModel model) {
        boolean thinks = !effort.value().equals("none");
        boolean read = names(model.chatTemplate(), ThinkingFields.EFFORT);
        boolean switches = !model.answers().switches().isEmpty();
        if (thinks && !read && !switches) {
            throw ApiError.unserved(
                    effort.field(),
                    effort.field() + " is given, but the model's chat template does not read it");
        }
        ChatVariables told =
                read && (thinks || !switches)
                        ? with(conversation, ThinkingFields.EFFORT, effort.value())
                        : conversation;
        if (switched || (read && !switches)) {
            return told;
        }
        return with(told, new ThinkingFields.Given<>(effort.field(), thinks), model);
    }

    /// Turns thinking on or off, or refuses the field that asks for it.
    private static ChatVariables with(
            ChatVariables conversation, ThinkingFields.Given<Boolean> on, ServedModel model) {
        ThinkingSwitches switches = model.answers().switches();
        if (!switches.isEmpty() || model.answers().thinks() == on.value()) {
            return switches.with(conversation, on.value());
        }
        throw ApiError.unserved(
                on.field(),
                on.value()
                        ? on.field()
                                + " asks for thinking, but the model's chat template shows none"
                        : on.field()
                                + " asks for no thinking, but the model's chat template cannot turn it off; use "
                                + ThinkingFields.BUDGET
                                + " 0");
    }

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
    /// @param hidden whether another field says that it has none
    /// @param usual the place if the request does not say
    static ReasoningPlace place(Fields fields, boolean hidden, ReasoningPlace usual) {
        if (hidden || !fields.flag("include_reasoning", true)) {
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
