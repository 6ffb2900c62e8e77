// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.util.function.BiConsumer;

/// A reader for a WordPiece `model`.
record WordPieceJson(JsonPart part) implements ModelJson {
    @Override
    public void forEachToken(BiConsumer<Integer, String> token) {
        ModelJson.forEachEntry(part, token);
    }

    @Override
    public boolean byteFallback() {
        return false;
    }

    @Override
    public TokenModel build(Vocabulary vocabulary) {
        return new WordPieceModel(
                vocabulary,
                "",
                part.text("continuing_subword_prefix", "##"),
                vocabulary.id(part.text("unk_token", "[UNK]")),
                part.integer("max_input_chars_per_word").orElse(100));
    }
}
