// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.util.Base64;
import java.util.stream.Stream;

/// A reader for the `normalizer` of a `tokenizer.json`.
final class NormalizerJson {
    private NormalizerJson() {}

    static Normalizer read(JsonPart part) {
        return Normalizer.all(steps(part).toList());
    }

    private static Stream<Normalizer> steps(JsonPart part) {
        return part.type().equals("Sequence")
                ? part.require("normalizers").items().stream().flatMap(NormalizerJson::steps)
                : Stream.of(step(part));
    }

    private static Normalizer step(JsonPart part) {
        return switch (part.type()) {
            case "NFC" -> Normalizer.unicode(java.text.Normalizer.Form.NFC);
            case "NFD" -> Normalizer.unicode(java.text.Normalizer.Form.NFD);
            case "NFKC" -> Normalizer.unicode(java.text.Normalizer.Form.NFKC);
            case "NFKD" -> Normalizer.unicode(java.text.Normalizer.Form.NFKD);
            case "Lowercase" -> Normalizers::lowercase;
            case "StripAccents" -> Normalizers::stripAccents;
            case "Nmt" -> Normalizers::nmt;
            case "ByteLevel" -> Normalizers::byteLevel;
            case "Prepend" -> Normalizer.prepend(part.require("prepend").text());
            case "Strip" -> {
                boolean left = part.flag("strip_left", true);
                boolean right = part.flag("strip_right", true);
                yield text -> Normalizers.strip(text, left, right);
            }
            case "Replace" -> replace(part);
            case "BertNormalizer" -> bert(part);
            case "Precompiled" -> precompiled(part.require("precompiled_charsmap"));
            default ->
                    throw part.require("type")
                            .wrong(
                                    "one of the normalizers supported: Sequence, NFC, NFD, NFKC, NFKD, Lowercase,"
                                            + " StripAccents, Nmt, ByteLevel, Prepend, Strip, Replace, BertNormalizer, Precompiled");
        };
    }

    private static Normalizer replace(JsonPart part) {
        String content = part.require("content").text();
        JsonPart pattern = part.require("pattern");
        if (pattern.part("String").isPresent()) {
            return Normalizer.replace(pattern.require("String").text(), content);
        }
        String expression = pattern.require("Regex").text();
        TokenPattern compiled = TokenPatterns.of(expression);
        return text -> Normalizers.replace(text, compiled, content);
    }

    private static Normalizer bert(JsonPart part) {
        boolean lowercase = part.flag("lowercase", true);
        return Normalizers.bert(
                part.flag("clean_text", true),
                part.flag("handle_chinese_chars", true),
                part.flag("strip_accents", lowercase),
                lowercase);
    }

    private static Normalizer precompiled(JsonPart map) {
        try {
            CharacterMap parsed = CharacterMap.parse(Base64.getDecoder().decode(map.text()));
            return parsed::applyToGraphemes;
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException(map.path() + " is damaged: " + e.getMessage(), e);
        }
    }
}
