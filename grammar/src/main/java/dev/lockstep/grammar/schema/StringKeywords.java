// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.grammar.schema;

import com.fasterxml.jackson.databind.JsonNode;
import dev.lockstep.grammar.Regex;
import dev.lockstep.grammar.regex.Language;
import dev.lockstep.grammar.regex.RegexException;
import java.math.BigDecimal;
import org.jspecify.annotations.Nullable;

/// Lengths, patterns and formats of strings.
final class StringKeywords implements Keywords.KeywordGroup {
    private final StringText text;

    StringKeywords(StringText text) {
        this.text = text;
    }

    @Override
    public Keywords.@Nullable Condition condition(
            Keywords.Place at, String keyword, JsonNode value) {
        return switch (keyword) {
            case "minLength" -> {
                int min = count(at, keyword, value);
                yield of(
                        text.length(min, Regex.UNBOUNDED),
                        min == 0 ? Language.NOTHING : text.length(0, min - 1));
            }
            case "maxLength" -> {
                int max = count(at, keyword, value);
                yield of(text.length(0, max), text.length(max + 1, Regex.UNBOUNDED));
            }
            case "pattern" -> {
                if (!value.isTextual()) {
                    throw at.refusal(keyword, "a string is expected");
                }
                yield strings(pattern(at, keyword, value.textValue(), text));
            }
            case "format" -> format(at, value.asText());
            default -> null;
        };
    }

    /// A whole number from 0 on, also as `2.0`; what is larger than any text counts as that.
    static int count(Keywords.Place at, String keyword, JsonNode value) {
        BigDecimal number = value.isNumber() ? value.decimalValue() : BigDecimal.ONE.negate();
        if (number.signum() < 0 || number.stripTrailingZeros().scale() > 0) {
            throw at.refusal(keyword, "a whole number from 0 on is expected");
        }
        return number.min(BigDecimal.valueOf(Integer.MAX_VALUE - 1)).intValue();
    }

    /// A count of values, each of which may take place in the grammar.
    static int limitedCount(
            Keywords.Place at, String keyword, JsonNode value, SchemaLimits limits) {
        int count = count(at, keyword, value);
        if (count > limits.values()) {
            throw at.refusal(
                    keyword, "%d exceeds the limit of %d".formatted(count, limits.values()));
        }
        return count;
    }

    static Regex pattern(Keywords.Place at, String keyword, String pattern, StringText text) {
        try {
            return text.containing(pattern);
        } catch (RegexException refused) {
            throw at.refusal(keyword, String.valueOf(refused.getMessage()));
        }
    }

    /// A format is asserted where the type is a string; without a type it is an annotation, as the
    /// standard has it.
    private Keywords.@Nullable Condition format(Keywords.Place at, String name) {
        JsonNode type = at.schema().path("type");
        boolean string = type.asText().equals("string");
        for (JsonNode one : type) {
            string |= one.asText().equals("string");
        }
        if (!string || !Formats.isKnown(name)) {
            return null;
        }
        Regex language =
                Formats.named(name, text)
                        .orElseThrow(
                                () ->
                                        at.refusal(
                                                "format", "'%s' is not supported".formatted(name)));
        return Formats.isExact(name) ? strings(language) : new Loose(at, name, language);
    }

    /// A format of which only one side is certain.
    private record Loose(Keywords.Place at, String name, Regex language)
            implements Keywords.Condition {
        @Override
        public Value allowed() {
            return Value.ANY.withString(language);
        }

        @Override
        public Value forbidden() {
            throw at.refusal("format", "'%s' cannot be excluded".formatted(name));
        }
    }

    private Keywords.Condition strings(Regex allowed) {
        return of(allowed, text.except(allowed));
    }

    private static Keywords.Condition of(Regex allowed, Regex forbidden) {
        return new TypeKeywords.Exact(
                Value.ANY.withString(allowed), Value.NONE.withString(forbidden));
    }
}
