package dev.lockstep.coordinator;

import java.util.OptionalInt;

/// The body of `POST /v1/chat/completions`, checked.
record ChatRequest(
        ServedModel.ChatPrompt prompt,
        Sampling sampling,
        Terms terms,
        StreamFields delivery,
        boolean returnTokenIds) {

    static ChatRequest parse(Fields fields, ServedModel model, Envelope envelope) {
        model.requireName(fields.requireText("model"));
        UnservedFields.refuseInChat(fields);
        return new ChatRequest(
                ChatMessages.parse(fields),
                SamplingFields.parse(fields, model, maxTokens(fields), logprobs(fields)),
                TermsFields.parse(fields, envelope),
                StreamFields.parse(fields),
                fields.flag("return_token_ids", false));
    }

    /// The newer name wins.
    private static OptionalInt maxTokens(Fields fields) {
        OptionalInt older = fields.integer("max_tokens", 1, Integer.MAX_VALUE);
        OptionalInt newer = fields.integer("max_completion_tokens", 1, Integer.MAX_VALUE);
        return newer.isPresent() ? newer : older;
    }

    private static SamplingFields.Logprobs logprobs(Fields fields) {
        boolean wanted = fields.flag("logprobs", false);
        OptionalInt top = fields.integer("top_logprobs", 0, SamplingFields.MOST_LOGPROBS);
        if (top.orElse(0) > 0 && !wanted) {
            throw ApiError.invalid(
                    "top_logprobs",
                    "top_logprobs is " + top.getAsInt() + ", but logprobs is not true");
        }
        return new SamplingFields.Logprobs(wanted, top.orElse(0));
    }
}
