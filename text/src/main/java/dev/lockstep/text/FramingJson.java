// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/// The tokens that the `post_processor` of a `tokenizer.json` puts around one text.
record FramingJson(List<Integer> prefix, List<Integer> suffix) {
    private static final FramingJson NOTHING = new FramingJson(List.of(), List.of());

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
            case "BertProcessing", "RobertaProcessing" ->
                    new FramingJson(pairId(part, "cls"), pairId(part, "sep"));
            case "Sequence" -> sequence(part);
            default ->
                    throw part.require("type")
                            .wrong(
                                    "one of the post-processors supported: ByteLevel, TemplateProcessing,"
                                            + " BertProcessing, RobertaProcessing, Sequence");
        };
    }

    private static FramingJson sequence(JsonPart part) {
        List<Integer> prefix = new ArrayList<>();
        List<Integer> suffix = new ArrayList<>();
        for (JsonPart step : part.require("processors").items()) {
            FramingJson framing = read(step);
            prefix.addAll(0, framing.prefix);
            suffix.addAll(framing.suffix);
        }
        return new FramingJson(prefix, suffix);
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
        return new FramingJson(prefix, suffix);
    }

    /// Returns the id of a pair such as `["<s>", 0]`.
    private static List<Integer> pairId(JsonPart part, String key) {
        List<JsonPart> pair = part.require(key).items();
        if (pair.size() != 2) {
            throw part.require(key).wrong("a token and its id");
        }
        return List.of(pair.get(1).integer());
    }
}
