// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import dev.lockstep.coordinator.engine.RequestOptions;
import dev.lockstep.coordinator.engine.Sampling;
import dev.lockstep.text.ChatVariables;
import java.util.Optional;
import java.util.OptionalInt;

/// The body of `POST /v1/chat/completions`, checked.
///
/// @param thinkingBudget after how many tokens thinking is closed; empty for no limit
record ChatRequest(
        ServedModel.ChatPrompt prompt,
        Sampling sampling,
        RequestOptions options,
        StreamFields delivery,
        OutputFields outputs,
        Optional<ConstraintSource> constraint,
        RequestTools tools,
        ReasoningPlace reasoning,
        Optional<ThinkingFields.Given<Integer>> thinkingBudget,
        Truncation truncation,
        boolean returnTokenIds) {

    static ChatRequest parse(Fields fields, ServedModel model, RequestContext context) {
        model.requireName(fields.requireText("model"));
        UnservedFields.refuseInChat(fields);
        OutputFields outputs = OutputFields.parse(fields);
        OptionalInt maxTokens = maxTokens(fields, outputs.any() ? 0 : 1);
        StreamFields delivery = StreamFields.parse(fields);
        outputs.requireNoTokensWithPooling(fields, maxTokens);
        Sampling sampling = SamplingFields.parse(fields, model, maxTokens, logprobs(fields));
        outputs.requireOneChoice(sampling);
        RequestTools tools = ToolFields.parse(fields);
        ThinkingFields thinking = ThinkingFields.parse(fields);
        thinking.budget().ifPresent(budget -> model.answers().requireThinking(budget.field()));
        return new ChatRequest(
                ServedModel.ChatPrompt.parse(fields, conversation(fields, thinking, tools, model)),
                sampling,
                RequestOptionFields.parse(fields, context),
                delivery,
                outputs,
                ConstraintFields.parse(fields, model),
                tools,
                ReasoningFields.place(fields, thinking.hidden(), model.answers().reasoning()),
                thinking.budget(),
                Truncation.parse(fields),
                fields.flag("return_token_ids", false));
    }

    private static ChatVariables conversation(
            Fields fields, ThinkingFields thinking, RequestTools tools, ServedModel model) {
        ChatVariables told =
                ReasoningFields.told(ConversationFields.parse(fields), thinking, model);
        return tools.isEmpty() ? told : told.withTools(tools.declared());
    }

    /// Reads the limit of generated tokens; the newer name takes precedence.
    private static OptionalInt maxTokens(Fields fields, int min) {
        OptionalInt older = fields.integer("max_tokens", min, Integer.MAX_VALUE);
        OptionalInt newer = fields.integer("max_completion_tokens", min, Integer.MAX_VALUE);
        return newer.isPresent() ? newer : older;
    }

    private static SamplingFields.Logprobs logprobs(Fields fields) {
        boolean requested = fields.flag("logprobs", false);
        OptionalInt top = fields.integer("top_logprobs", 0, SamplingFields.MAX_LOGPROBS);
        if (top.orElse(0) > 0 && !requested) {
            throw ApiError.invalid(
                    "top_logprobs",
                    "top_logprobs is " + top.getAsInt() + ", but logprobs is not true");
        }
        return new SamplingFields.Logprobs(requested, top.orElse(0));
    }
}
