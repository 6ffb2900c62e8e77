// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.util.ArrayList;
import java.util.List;
import java.util.OptionalInt;
import java.util.function.BiConsumer;

/// A reader for a unigram `model`: a list of `["piece", score]` in the order of ids.
record UnigramJson(JsonPart part, List<String> pieces, List<Double> scores) implements ModelJson {
    static UnigramJson read(JsonPart part) {
        List<String> pieces = new ArrayList<>();
        List<Double> scores = new ArrayList<>();
        for (JsonPart entry : part.require("vocab").items()) {
            List<JsonPart> pair = entry.items();
            if (pair.size() != 2) {
                throw entry.wrong("a piece and its score");
            }
            pieces.add(pair.get(0).text());
            scores.add(pair.get(1).number());
        }
        return new UnigramJson(part, pieces, scores);
    }

    @Override
    public void forEachToken(BiConsumer<Integer, String> token) {
        for (int id = 0; id < pieces.size(); id++) {
            token.accept(id, pieces.get(id));
        }
    }

    @Override
    public boolean byteFallback() {
        return part.flag("byte_fallback", false);
    }

    @Override
    public TokenModel build(Vocabulary vocabulary) {
        OptionalInt unknown = part.integer("unk_id");
        unknown.ifPresent(vocabulary::piece);
        return new UnigramModel(
                vocabulary, scores, unknown.orElse(Vocabulary.NONE), byteFallback());
    }
}
