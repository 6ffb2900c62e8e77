// SPDX-License-Identifier: Apache-2.0
package dev.lockstep.text;

import dev.lockstep.checkpoint.SpecialIds;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/// The tokens that end a generated text of a model; nothing else in Lockstep decides them.
///
/// They come from the ids of the configuration (`config.json` and `generation_config.json`, or the
/// `eos`, `eot` and `eom` ids of a GGUF file), the end token that the tokenizer names, and the
/// tokens of its vocabulary with the name of a known marker: many files list only the end of a
/// document and not the end of a turn.
///
/// @param ids the model's first choice first; may be empty
public record EndTokens(List<Integer> ids) {
    private static final Set<String> MARKERS =
            Set.of(
                    "<|eot_id|>",
                    "<|eom_id|>",
                    "<|eot|>",
                    "<|eom|>",
                    "<|im_end|>",
                    "<|end|>",
                    "<|return|>",
                    "<|call|>",
                    "<|endoftext|>",
                    "<|end_of_text|>",
                    "<|end_of_turn|>",
                    "<|END_OF_TURN_TOKEN|>",
                    "<end_of_turn>",
                    "<end_of_utterance>",
                    "<turn|>",
                    "<EOT>",
                    "[EOT]",
                    "<｜end▁of▁sentence｜>");

    /// The end of a message, after which a model of the Harmony format starts its next one.
    private static final String MESSAGE_END = "<|end|>";

    /// The ends of a turn in the Harmony format.
    private static final List<String> HARMONY = List.of("<|return|>", "<|call|>");

    public EndTokens {
        ids = List.copyOf(ids);
    }

    /// Returns the end tokens of a model; ids beyond its output are left out, because it cannot
    /// generate them.
    ///
    /// @param configured of the configuration
    /// @param outputs ids that the model can generate
    public static EndTokens of(SpecialIds configured, int outputs, Optional<Tokenizer> tokenizer) {
        Set<Integer> ids = new LinkedHashSet<>(configured.eos());
        tokenizer.ifPresent(
                text -> {
                    text.eos().ifPresent(ids::add);
                    ids.addAll(markers(text));
                });
        ids.removeIf(id -> id < 0 || id >= outputs);
        return new EndTokens(new ArrayList<>(ids));
    }

    /// Returns whether a piece is a known marker of an end.
    static boolean isMarker(String piece) {
        return MARKERS.contains(piece);
    }

    private static List<Integer> markers(Tokenizer text) {
        boolean harmony = HARMONY.stream().allMatch(name -> text.idOf(name).isPresent());
        List<Integer> ids = new ArrayList<>();
        for (int id = 0; id < text.vocabularySize(); id++) {
            String piece = text.piece(id);
            if (isMarker(piece) && text.literal(id) && !(harmony && piece.equals(MESSAGE_END))) {
                ids.add(id);
            }
        }
        return ids;
    }
}
