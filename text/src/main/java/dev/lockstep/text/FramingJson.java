// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.BiFunction;

/// The tokens that the `post_processor` of a `tokenizer.json` puts around one text, and around two.
///
/// @param pair empty for a form of pairs that is not known
record FramingJson(List<Integer> prefix, List<Integer> suffix, Optional<PairFraming> pair) {
    private static final FramingJson NOTHING =
            new FramingJson(List.of(), List.of(), Optional.of(PairFraming.NOTHING));

    static FramingJson read(Optional<JsonPart> part, Vocabulary vocabulary) {
        FramingJson framing = part.map(FramingJson::read).orElse(NOTHING);
        framing.prefix.forEach(vocabulary::piece);
        framing.suffix.forEach(vocabulary::piece);
        return framing;
    }

    private static FramingJson read(JsonPart part) {
        return switch (part.type()) {
            case "ByteLevel" -> NOTHING;
            case "TemplateProcessing" -> template(part);
            case "BertProcessing" -> around(part, PairFraming::ofBert);
            case "RobertaProcessing" -> around(part, PairFraming::ofRoberta);
            case "Sequence" -> sequence(part);
            default ->
                    throw part.require("type")
                            .wrong(
                                    "one of the post-processors supported: ByteLevel, TemplateProcessing,"
                                            + " BertProcessing, RobertaProcessing, Sequence");
        };
    }

    private static FramingJson around(
            JsonPart part, BiFunction<Integer, Integer, PairFraming> pair) {
        int cls = pairId(part, "cls");
        int sep = pairId(part, "sep");
        return new FramingJson(List.of(cls), List.of(sep), Optional.of(pair.apply(cls, sep)));
    }

    private static FramingJson sequence(JsonPart part) {
        List<Integer> prefix = new ArrayList<>();
        List<Integer> suffix = new ArrayList<>();
        List<FramingJson> framings = new ArrayList<>();
        for (JsonPart step : part.require("processors").items()) {
            FramingJson framing = read(step);
            prefix.addAll(0, framing.prefix);
            suffix.addAll(framing.suffix);
            if (!framing.equals(NOTHING)) {
                framings.add(framing);
            }
        }
        Optional<PairFraming> pair =
                switch (framings.size()) {
                    case 0 -> NOTHING.pair;
                    case 1 -> framings.getFirst().pair;
                    default -> Optional.empty();
                };
        return new FramingJson(prefix, suffix, pair);
    }

    private static FramingJson template(JsonPart part) {
        List<Integer> prefix = new ArrayList<>();
        List<Integer> suffix = new ArrayList<>();
        boolean afterText = false;
        for (JsonPart item : part.require("single").items()) {
            if (item.part("Sequence").isPresent()) {
                afterText = true;
                continue;
            }
            JsonPart name = item.require("SpecialToken").require("id");
            for (JsonPart id :
                    part.require("special_tokens").require(name.text()).require("ids").items()) {
                (afterText ? suffix : prefix).add(id.integer());
            }
        }
        return new FramingJson(prefix, suffix, PairFraming.template(part));
    }

    /// Returns the id of a pair such as `["<s>", 0]`.
    private static int pairId(JsonPart part, String key) {
        List<JsonPart> pair = part.require(key).items();
        if (pair.size() != 2) {
            throw part.require(key).wrong("a token and its id");
        }
        return pair.get(1).integer();
    }
}
