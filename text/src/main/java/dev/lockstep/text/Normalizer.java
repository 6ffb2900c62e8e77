// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import java.util.List;

/// One step from input text to the text that is tokenized; immutable.
@FunctionalInterface
interface Normalizer {
    Normalizer NONE = text -> text;

    String apply(String text);

    static Normalizer all(List<Normalizer> steps) {
        return switch (steps.size()) {
            case 0 -> NONE;
            case 1 -> steps.getFirst();
            default ->
                    text -> {
                        String result = text;
                        for (Normalizer step : steps) {
                            result = step.apply(result);
                            requireBounded(text.length(), result.length());
                        }
                        return result;
                    };
        };
    }

    static Normalizer unicode(java.text.Normalizer.Form form) {
        return text -> java.text.Normalizer.normalize(CanonicalOrder.of(text), form);
    }

    /// Returns a step that prepends `prefix` to text that is not empty.
    static Normalizer prepend(String prefix) {
        return text -> text.isEmpty() ? text : prefix + text;
    }

    static Normalizer replace(String from, String to) {
        return text -> {
            // An upper bound: a result that may exceed the limit is checked while it grows.
            long maxMatches = text.length() / Math.max(1, from.length()) + 1L;
            if (to.length() > from.length()
                    && maxMatches * to.length() > maxLength(text.length())) {
                return Normalizers.replace(text, new LiteralPattern(from), to);
            }
            return text.replace(from, to);
        };
    }

    /// Returns the maximum output length for an input length: chained replacements could expand a
    /// few characters to billions, while those of published files add few.
    static long maxLength(long inputLength) {
        return 64 * inputLength + 65_536;
    }

    static void requireBounded(long inputLength, long length) {
        if (length > maxLength(inputLength)) {
            throw new IllegalArgumentException(
                    "the tokenizer's normalizer makes more than %d characters of %d"
                            .formatted(maxLength(inputLength), inputLength));
        }
    }
}
