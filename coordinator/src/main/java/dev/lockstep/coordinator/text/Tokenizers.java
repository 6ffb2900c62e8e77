package dev.lockstep.coordinator.text;

/// Makes tokenizers from what model files hold.
public final class Tokenizers {
    private Tokenizers() {}

    /// Refuses a vocabulary whose rules are not known, naming the key.
    public static Tokenizer of(GgufVocabulary vocabulary) {
        return GgufTokenizer.of(vocabulary);
    }
}
