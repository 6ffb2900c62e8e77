package dev.lockstep.text;

import java.util.List;

/// One step from text as given to the text that is tokenized; immutable.
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

    /// Puts `prefix` before text that is not empty.
    static Normalizer prepend(String prefix) {
        return text -> text.isEmpty() ? text : prefix + text;
    }

    static Normalizer replace(String from, String to) {
        return text -> {
            // At most, so that nothing endless is made before it is refused.
            long places = text.length() / Math.max(1, from.length()) + 1L;
            if (to.length() > from.length() && places * to.length() > mostFrom(text.length())) {
                return Normalizers.replace(text, new LiteralPattern(from), to);
            }
            return text.replace(from, to);
        };
    }

    /// Characters that may be made of so many: a chain of replacements could make billions of a
    /// few, those of published files make at most some more.
    static long mostFrom(long characters) {
        return 64 * characters + 65_536;
    }

    static void requireBounded(long from, long made) {
        if (made > mostFrom(from)) {
            throw new IllegalArgumentException(
                    "the tokenizer's normalizer makes more than %d characters of %d"
                            .formatted(mostFrom(from), from));
        }
    }
}
