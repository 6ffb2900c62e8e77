package dev.lockstep.coordinator.text;

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
        return text -> text.replace(from, to);
    }
}
