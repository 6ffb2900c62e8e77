// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.coordinator.engine.GeneratedToken;
import dev.lockstep.coordinator.engine.Sampling;
import dev.lockstep.text.tools.Answer;
import dev.lockstep.text.tools.AnswerEvent;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// Writes the choices of `/v1/chat/completions`.
final class ChatFormat implements ResponseFormat {
    private final ServedModel model;
    private final Sampling sampling;
    private final boolean tokenIds;
    private final boolean promptLogprobs;
    private final ChatMessageFormat message;

    ChatFormat(
            PreparedRequest request,
            boolean tokenIds,
            boolean promptLogprobs,
            ChatMessageFormat message) {
        this.model = request.model();
        this.sampling = request.sampling();
        this.tokenIds = tokenIds;
        this.promptLogprobs = promptLogprobs;
        this.message = message;
    }

    @Override
    public String objectName(boolean chunk) {
        return chunk ? "chat.completion.chunk" : "chat.completion";
    }

    @Override
    public Optional<ObjectNode> opening(int choice, List<GeneratedToken> promptTokens) {
        ObjectNode node = Json.object().put("index", choice);
        node.putObject("delta").put("role", "assistant").put("content", "");
        return Optional.of(node.putNull("logprobs").putNull("finish_reason"));
    }

    @Override
    public boolean showsPrompt() {
        return promptLogprobs;
    }

    /// Returns a chunk for each part, of which the first has the tokens.
    @Override
    public List<ObjectNode> chunks(int choice, Delta delta) {
        List<ObjectNode> parts = new ArrayList<>();
        for (AnswerEvent event : delta.events()) {
            message.part(event).ifPresent(parts::add);
        }
        if (parts.isEmpty()) {
            if (!showsTokens()) {
                return List.of();
            }
            parts.add(Json.object().put("content", ""));
        }
        List<ObjectNode> chunks = new ArrayList<>();
        for (ObjectNode part : parts) {
            ObjectNode node = Json.object().put("index", choice);
            node.set("delta", part);
            putLogprobsAndIds(node, chunks.isEmpty() ? delta : Delta.EMPTY);
            chunks.add(node.putNull("finish_reason"));
        }
        return chunks;
    }

    @Override
    public ObjectNode lastChunk(int choice, Finish finish) {
        ObjectNode node = Json.object().put("index", choice);
        node.putObject("delta");
        node.putNull("logprobs");
        message.putFinish(node, finish);
        return node;
    }

    @Override
    public void putTopLevelFields(ObjectNode response, List<GeneratedToken> promptTokens) {
        if (promptLogprobs) {
            PromptLogprobs.put(response, model, promptTokens);
        }
    }

    @Override
    public ObjectNode whole(
            int choice, List<GeneratedToken> promptTokens, Delta all, Finish finish) {
        ObjectNode node = Json.object().put("index", choice);
        node.set("message", message.whole(Answer.of(all.events())));
        putLogprobsAndIds(node, all);
        message.putFinish(node, finish);
        return node;
    }

    @Override
    public boolean showsTokens() {
        return tokenIds || sampling.logprobs();
    }

    private void putLogprobsAndIds(ObjectNode node, Delta delta) {
        if (sampling.logprobs()) {
            ObjectNode logprobs = node.putObject("logprobs");
            ArrayNode content = logprobs.putArray("content");
            logprobs.putNull("refusal");
            delta.inText().forEach(shown -> content.add(entry(model, shown.token())));
        } else {
            node.putNull("logprobs");
        }
        if (tokenIds) {
            ResponseFormat.putTokenIds(node, delta);
        }
    }

    /// Returns the log-probabilities of a token.
    static ObjectNode entry(ServedModel model, GeneratedToken token) {
        ObjectNode entry = Json.object();
        put(model, entry, token.id(), token.logprob());
        ArrayNode top = entry.putArray("top_logprobs");
        token.top().forEach(each -> put(model, top.addObject(), each.id(), each.logprob()));
        return entry;
    }

    private static void put(ServedModel model, ObjectNode entry, int id, float logprob) {
        entry.put("token", model.tokenText(id)).put("logprob", logprob);
        ArrayNode bytes = entry.putArray("bytes");
        for (byte each : model.tokenBytes(id)) {
            bytes.add(each & 0xFF);
        }
    }
}
