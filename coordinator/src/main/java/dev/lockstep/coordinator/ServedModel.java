// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.coordinator;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.lockstep.checkpoint.Checkpoint;
import dev.lockstep.checkpoint.GenerationDefaults;
import dev.lockstep.checkpoint.ModelConfig;
import dev.lockstep.checkpoint.SentenceModel;
import dev.lockstep.checkpoint.TokenizerSource;
import dev.lockstep.text.ChatTemplate;
import dev.lockstep.text.ChatVariables;
import dev.lockstep.text.EncodeOptions;
import dev.lockstep.text.EndTokens;
import dev.lockstep.text.ModelTemplate;
import dev.lockstep.text.TokenPair;
import dev.lockstep.text.Tokenizer;
import dev.lockstep.text.Tokenizers;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Instant;
import java.time.ZoneOffset;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// The properties of the served model that a coordinator needs: its name, its sizes, its tokenizer
/// and its chat template. Immutable.
///
/// @param tokenizer empty for a model that serves token ids only
/// @param hiddenSize the number of components of an embedding
/// @param outputHead whether it computes logits; without them it serves embeddings alone
/// @param sentence its use for embeddings or ranking
/// @param names the names in requests, of which responses have the first
/// @param tokenizerInfo the response of `GET /tokenizer_info`; nobody changes it
/// @param defaults sampling values of requests that have none of their own
/// @param answers how the model writes its answers
/// @param created seconds since 1970, for the model list
record ServedModel(
        List<String> names,
        int vocabularySize,
        int contextLength,
        int hiddenSize,
        boolean outputHead,
        SentenceModel sentence,
        Optional<Tokenizer> tokenizer,
        ModelTemplate chatTemplate,
        EndTokens endTokens,
        ObjectNode tokenizerInfo,
        GenerationDefaults defaults,
        ModelAnswers answers,
        ModelDetails details,
        long created) {

    ServedModel {
        names = List.copyOf(names);
    }

    /// Returns the name in responses.
    String name() {
        return names.getFirst();
    }

    /// Reads the tokenizer, the chat template and the sampling values, but no weights.
    static ServedModel load(Path path, List<String> names, TextSettings settings) {
        Checkpoint checkpoint = Checkpoint.open(path);
        ModelConfig config = checkpoint.config();
        TokenizerSource source = TokenizerSource.open(path);
        Optional<Tokenizer> tokenizer =
                source.hasTokenizer() ? Optional.of(Tokenizers.of(source)) : Optional.empty();
        ModelTemplate template = settings.template(source, tokenizer);
        return new ServedModel(
                names,
                config.vocabularySize(),
                config.contextLength(),
                config.hiddenSize(),
                checkpoint.hasOutputHead(),
                settings.sentenceModel(checkpoint),
                tokenizer,
                template,
                EndTokens.of(config.specialIds(), config.vocabularySize(), tokenizer),
                tokenizer
                        .map(text -> TokenizerInfo.of(source, text, template))
                        .orElseGet(Json::object),
                settings.defaults(source),
                ModelAnswers.of(template, tokenizer, settings),
                ModelDetails.of(checkpoint),
                System.currentTimeMillis() / 1000);
    }

    /// Refuses a request for another model.
    void requireName(String requested) {
        if (!names.contains(requested)) {
            throw ApiError.modelNotFound(requested, String.join("`, `", names));
        }
    }

    /// Refuses a request for text or log-probabilities if the model computes no logits.
    void requireOutputHead() {
        if (!outputHead) {
            throw ApiError.invalid(
                    "model",
                    "embeddings_only",
                    "the model %s is without an output head: it serves %s, not text or log-probabilities"
                            .formatted(
                                    name(),
                                    switch (sentence.output()) {
                                        case SentenceModel.Vectors _ ->
                                                "embeddings (/v1/embeddings)";
                                        case SentenceModel.Score _ ->
                                                "scores of a query and documents (/v1/rerank, /v1/score)";
                                    }));
        }
    }

    /// Returns how the model computes vectors; refuses a request for them if it scores pairs.
    SentenceModel.Vectors requireVectors() {
        return switch (sentence.output()) {
            case SentenceModel.Vectors vectors -> vectors;
            case SentenceModel.Score _ ->
                    throw ApiError.invalid(
                            "model",
                            "ranks_only",
                            "the model "
                                    + name()
                                    + " scores a query and a document and has no embeddings; use /v1/rerank or /v1/score");
        };
    }

    /// Reads a token id from a client; refuses one outside the vocabulary.
    int requireToken(String field, JsonNode value) {
        JsonNode whole = Fields.whole(field, "a token id", value);
        if (!whole.canConvertToInt()) {
            throw Fields.outside(field, value, "[0, " + (vocabularySize - 1) + "]");
        }
        return requireToken(field, whole.intValue());
    }

    int requireToken(String field, int id) {
        if (id < 0 || id >= vocabularySize) {
            throw ApiError.invalid(
                    field,
                    field
                            + " is token id "
                            + id
                            + ", the model's vocabulary has "
                            + vocabularySize
                            + " tokens");
        }
        return id;
    }

    /// Tokenizes a text that a client sent as a prompt. It replaces the output of a template, so
    /// special tokens in it are recognised.
    ///
    /// @param field its name in error messages
    int[] encode(String field, String text, boolean addSpecial) {
        try {
            return requireTokenizer(field).encode(text, new EncodeOptions(true, addSpecial));
        } catch (IllegalArgumentException e) {
            throw ApiError.invalid(field, field + ": " + e.getMessage());
        }
    }

    /// Tokenizes two texts that the model reads together; empty if its files do not say how.
    Optional<TokenPair> pair(String field, String first, String second) {
        try {
            return requireTokenizer(field).pair(first, second, true);
        } catch (IllegalArgumentException e) {
            throw ApiError.invalid(field, field + ": " + e.getMessage());
        }
    }

    /// Renders and tokenizes a conversation.
    int[] encode(ChatPrompt chat) {
        return encode("messages", render(chat.conversation()), chat.addSpecialTokens());
    }

    /// Renders a conversation with the chat template, at this time.
    String render(ChatVariables conversation) {
        return render(conversation, System.currentTimeMillis() / 1000);
    }

    /// As the other one, at another time: a response that goes on has the prompt that it had, also
    /// on a host with another time zone.
    ///
    /// @param seconds since 1970
    String render(ChatVariables conversation, long seconds) {
        requireTokenizer("messages");
        Clock clock = Clock.fixed(Instant.ofEpochSecond(seconds), ZoneOffset.UTC);
        return new ConversationRenderer(requireTemplate(), clock).render(conversation);
    }

    private ChatTemplate requireTemplate() {
        return switch (chatTemplate) {
            case ModelTemplate.Usable(ChatTemplate template) -> template;
            case ModelTemplate.Missing() ->
                    throw ApiError.invalid(
                            "messages",
                            "the model " + name() + " has no chat template; use /v1/completions");
            case ModelTemplate.Broken(String fault) ->
                    throw ApiError.invalid(
                            "messages",
                            "broken_chat_template",
                            "the chat template of the model "
                                    + name()
                                    + " is broken, use /v1/completions: "
                                    + Json.explained(fault));
        };
    }

    /// Returns the text of ids; without a tokenizer it is empty.
    String decode(int[] ids, boolean skipSpecial) {
        var known = new StringBuilder();
        tokenizer.ifPresent(text -> known.append(text.decode(knownIds(text, ids), skipSpecial)));
        return known.toString();
    }

    Tokenizer requireTokenizer(String field) {
        return tokenizer.orElseThrow(
                () ->
                        ApiError.invalid(
                                field,
                                "the model "
                                        + name()
                                        + " has no tokenizer and serves only token ids: send them as \"prompt\" to /v1/completions"));
    }

    /// Returns the text of a token in log-probabilities.
    String tokenText(int id) {
        return isText(id) ? TokenText.of(tokenBytes(id)) : unnamed(id);
    }

    /// Returns the name of a token that has no text, or shares it with another one.
    static String unnamed(int id) {
        return "token_id:" + id;
    }

    byte[] tokenBytes(int id) {
        return tokenizer.filter(text -> isText(id)).map(text -> text.bytes(id)).orElse(new byte[0]);
    }

    /// Returns whether the tokenizer has the id: a model's output may be padded beyond its
    /// vocabulary.
    boolean isText(int id) {
        return tokenizer.isPresent() && id < tokenizer.get().vocabularySize();
    }

    boolean isSpecial(int id) {
        return tokenizer.isPresent() && tokenizer.get().special(id);
    }

    /// Returns the ids of the special tokens by their text.
    Map<String, Integer> specialTokens() {
        return tokenizer.map(ServedModel::specialTokens).orElse(Map.of());
    }

    static Map<String, Integer> specialTokens(Tokenizer text) {
        Map<String, Integer> ids = new HashMap<>();
        for (int id = 0; id < text.vocabularySize(); id++) {
            if (text.special(id)) {
                ids.put(text.piece(id), id);
            }
        }
        return ids;
    }

    private static int[] knownIds(Tokenizer text, int[] ids) {
        return Arrays.stream(ids).filter(id -> id < text.vocabularySize()).toArray();
    }

    /// A conversation from a client.
    ///
    /// @param addSpecialTokens whether to add the tokens that the tokenizer puts around a text, in
    ///   addition to those of the template
    record ChatPrompt(ChatVariables conversation, boolean addSpecialTokens) {
        static ChatPrompt parse(Fields fields, ChatVariables conversation) {
            return new ChatPrompt(conversation, fields.flag("add_special_tokens", false));
        }
    }
}
