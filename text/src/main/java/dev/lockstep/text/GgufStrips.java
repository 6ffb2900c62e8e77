// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import dev.lockstep.checkpoint.GgufMetadata;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Pattern;

/// Which special tokens of a GGUF vocabulary take the white space next to them. The format has no
/// key for it, so it follows from the model.
public enum GgufStrips {
    NONE,
    /// Of the Phi-3 models with a SentencePiece vocabulary: special tokens take the white space on
    /// their right, except those that separate documents.
    PHI_3;

    private static final Set<String> PHI_3_PLAIN = Set.of("<unk>", "<s>", "<|endoftext|>");
    private static final Set<String> PHI_3_ARCHITECTURES = Set.of("phi3", "phimoe");
    private static final Pattern PHI_3_NAME = Pattern.compile("\\bphi[- _]?3");

    static GgufStrips of(GgufMetadata metadata, String model) {
        String name = metadata.text("general.name").orElse("").toLowerCase(Locale.ROOT);
        boolean phi3 =
                PHI_3_ARCHITECTURES.contains(metadata.text("general.architecture").orElse(""))
                        || PHI_3_NAME.matcher(name).find();
        return phi3 && model.equals("llama") ? PHI_3 : NONE;
    }

    /// Returns whether a literal token takes the white space on its right.
    boolean right(String piece, boolean special) {
        return switch (this) {
            case NONE -> false;
            // Files list the sentence end among the tokens that a user added.
            case PHI_3 -> (special || piece.equals("</s>")) && !PHI_3_PLAIN.contains(piece);
        };
    }
}
