// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.util.Map;
import java.util.function.BiConsumer;

/// A reader for the `model` of a `tokenizer.json`.
interface ModelJson {
    static ModelJson read(JsonPart part) {
        // Early files omit the type; only byte pair encoding has merges.
        String type = part.text("type", part.part("merges").isPresent() ? "BPE" : "");
        return switch (type) {
            case "BPE" -> new BytePairJson(part);
            case "Unigram" -> UnigramJson.read(part);
            case "WordPiece" -> new WordPieceJson(part);
            default ->
                    throw new IllegalArgumentException(
                            "model.type is '"
                                    + type
                                    + "', which is not supported; supported: BPE, Unigram, WordPiece");
        };
    }

    void forEachToken(BiConsumer<Integer, String> token);

    /// Returns whether characters that are not tokens become byte tokens.
    boolean byteFallback();

    TokenModel build(Vocabulary vocabulary);

    /// Visits the tokens of a `vocab` that maps pieces to ids.
    static void forEachEntry(JsonPart model, BiConsumer<Integer, String> token) {
        JsonPart vocabulary = model.require("vocab");
        if (!vocabulary.node().isObject()) {
            throw vocabulary.wrong("an object of tokens and ids");
        }
        for (Map.Entry<String, com.fasterxml.jackson.databind.JsonNode> entry :
                vocabulary.node().properties()) {
            token.accept(
                    new JsonPart("model.vocab." + entry.getKey(), entry.getValue()).integer(),
                    entry.getKey());
        }
    }
}
