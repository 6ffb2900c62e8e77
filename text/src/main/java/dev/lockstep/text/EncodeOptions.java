// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

/// Options for encoding text as ids.
///
/// @param parseSpecial recognises special tokens in the text; for text that a template rendered,
///   never for client text
/// @param addSpecial adds the model's own tokens (BOS, EOS, those of a post-processor) around the
///   ids
public record EncodeOptions(boolean parseSpecial, boolean addSpecial) {
    /// Recognises no special tokens and adds none.
    public static final EncodeOptions PLAIN = new EncodeOptions(false, false);
}
