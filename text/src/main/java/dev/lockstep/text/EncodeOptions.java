package dev.lockstep.text;

/// How text becomes ids.
///
/// @param parseSpecial special tokens written in the text are recognised; for text that a template
///   made, never for what a client wrote
/// @param addSpecial the model's own tokens (BOS, EOS, a template's) are put around the ids
public record EncodeOptions(boolean parseSpecial, boolean addSpecial) {
    /// Text is only text, and nothing is added.
    public static final EncodeOptions PLAIN = new EncodeOptions(false, false);
}
